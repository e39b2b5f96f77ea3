"""What a selection rule is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from ._layer_gradients import LayerGradients
from ._layers import Layer, require_finite
from ._limits import SizeLimits
from ._metrics import Metric
from ._orders import OrderFunction


@dataclass(frozen=True, eq=False, kw_only=True)
class SelectionProblem:
    """The samples of a batch, to be weighted for every layer, and what the caller wants of a subset.

    `gram`, `square_norms` and `projections` are made when a rule first asks for them, and kept. Once the Gram
    matrices are made, the other two are read off them: a rule that needs all three asks for `gram` first.

    Attributes:
        layers: the per-sample gradients g_i of each layer.
        losses: loss of each sample, (n,), without graph.
        metric: what to improve.
        order: sort keys for prefix families.
        limits: how many samples may be kept.
        dtype: type of what is made of gradients, and of the weights.
        together: whether one selection is made for all layers, from the sums of their inner products.
        labels: class of each sample, (n,); None where the caller gave none.
        generator: source of every random number; None is torch's global one.
    """

    layers: Sequence[Layer]
    losses: Tensor
    metric: Metric
    order: OrderFunction
    limits: SizeLimits
    dtype: torch.dtype
    together: bool = False
    labels: Tensor | None = None
    generator: torch.Generator | None = None

    @property
    def samples(self) -> int:
        """Number n of candidate samples."""
        return len(self.losses)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weights: (layers, n), with one row per selection to be made."""
        return 1 if self.together else len(self.layers), self.samples

    @property
    def smallest(self) -> int:
        """Smallest size allowed."""
        return self.limits.bounds(self.samples)[0]

    @property
    def largest(self) -> int:
        """Largest size allowed."""
        return self.limits.bounds(self.samples)[1]

    @property
    def epsilon(self) -> float:
        """Rounding unit of the Gram matrices."""
        return torch.finfo(self.dtype).eps

    @cached_property
    def gram(self) -> Tensor:
        """Gram matrices ``K_ij = <g_i, g_j>``, (layers, n, n)."""
        gram = self.losses.new_empty(len(self.layers), self.samples, self.samples, dtype=self.dtype)
        for layer, matrix in zip(self.layers, gram, strict=True):
            layer.gradients.write_gram(matrix)
        require_finite(gram.diagonal(dim1=-2, dim2=-1), self.layers)
        return gram.sum(0, keepdim=True) if self.together else gram

    @cached_property
    def square_norms(self) -> Tensor:
        """``|g_i|^2``, (layers, n)."""
        norms = self._without_gram(lambda g: g.square_norms())
        return self.gram.diagonal(dim1=-2, dim2=-1) if norms is None else norms

    @cached_property
    def projections(self) -> Tensor:
        """Inner products with the batch's mean gradient, ``<g_i, mean>``, (layers, n)."""
        products = self._without_gram(lambda g: g.projections())
        return self.gram.mean(-1) if products is None else products

    def made(self, name: str) -> bool:
        """Whether ``gram``, ``square_norms`` or ``projections`` has been asked for."""
        return name in vars(self)

    def ranks(self) -> Tensor:
        """Place of each sample in the order, (layers, n): 0 comes first."""
        projections = self.projections  # first, because they may take the Gram matrices
        return ranks_of(self.order(self.square_norms, projections))

    def first(self, sizes: Tensor | int, ranks: Tensor) -> Tensor:
        """Equal weights, (layers, n), for the samples whose rank is below the size.

        Sizes have shape (layers, 1), or are one for all; ranks (layers, n), or (n,) for all layers alike.
        """
        return ((ranks < sizes).to(self.dtype) / sizes).expand(self.shape)

    def restricted(self, members: Tensor, limits: SizeLimits) -> "SelectionProblem":
        """The same problem for the samples of indices (m,); their projections on the batch's mean stay."""
        own = {field.name: getattr(self, field.name) for field in fields(SelectionProblem)}
        labels = None if self.labels is None else self.labels[members]
        own.update(losses=self.losses[members], labels=labels, limits=limits)
        return _Part(**own, whole=self, members=members)

    def _without_gram(self, values_of: Callable[[LayerGradients], Tensor | None]) -> Tensor | None:
        """Values of all layers, (layers, n); None where they are better read off the Gram matrices."""
        found: list[Tensor] = []
        for layer in self.layers:
            values = None if self.made("gram") else values_of(layer.gradients)
            if values is None:
                return None
            found.append(values)
        stacked = torch.stack(found)
        require_finite(stacked, self.layers)
        return stacked.sum(0, keepdim=True) if self.together else stacked


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part(SelectionProblem):
    whole: SelectionProblem
    members: Tensor

    @cached_property
    def gram(self) -> Tensor:
        return self.whole.gram[:, self.members.unsqueeze(1), self.members]

    @cached_property
    def square_norms(self) -> Tensor:
        return self.whole.square_norms[:, self.members]

    @cached_property
    def projections(self) -> Tensor:
        return self.whole.projections[:, self.members]


def ranks_of(keys: Tensor) -> Tensor:
    """Rank along the last axis, the largest key first; equal keys in the order of the batch."""
    order = torch.argsort(keys, dim=-1, descending=True, stable=True)
    places = torch.arange(keys.shape[-1], device=keys.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, places)
