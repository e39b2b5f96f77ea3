"""What a selection rule is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._gram import ELEMENT
from ._layer_gradients import Gradients, LayerGradients, inner_products
from ._layers import Layer, require_finite
from ._limits import SizeLimits
from ._metrics import Metric
from ._orders import Order

if TYPE_CHECKING:
    from ._memory import Memory

Search = Callable[[LayerGradients], float]


@dataclass(frozen=True, eq=False, kw_only=True)
class SelectionProblem:
    """The samples of a batch, to be weighted for every layer, and what the caller wants of a subset.

    `gram`, `square_norms` and `projections` are made when a rule first asks for them, and kept. The last two
    come from the Gram matrix of a layer where that is made, or the cheaper way.

    Attributes:
        layers: the per-sample gradients g_i of each layer.
        losses: loss of each sample, (n,), without graph.
        metric: what to improve.
        order: sort keys for prefix families.
        limits: how many samples may be kept.
        dtype: type of what is made of gradients, and of the weights.
        together: whether one selection is made for all layers, from the sums of their inner products.
        labels: class of each sample, (n,); None where the caller gave none.
        indices: number of each sample in the training set, (n,); None where the caller gave none.
        memory: what is remembered of the training set's samples.
        reference: gradient of the mean loss of trusted samples, of each parameter; None where there are none.
        generator: source of every random number; None is torch's global one.
    """

    layers: Sequence[Layer]
    losses: Tensor
    metric: Metric
    order: Order
    limits: SizeLimits
    dtype: torch.dtype
    together: bool = False
    labels: Tensor | None = None
    indices: Tensor | None = None
    memory: "Memory | None" = None
    reference: Gradients | None = None
    generator: torch.Generator | None = None

    @property
    def samples(self) -> int:
        """Number n of candidate samples."""
        return self.losses.shape[0]

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
        return self._summed("square_norms")

    @cached_property
    def projections(self) -> Tensor:
        """Inner products with the batch's mean gradient, ``<g_i, mean>``, (layers, n)."""
        return self._summed("projections")

    @cached_property
    def remembered(self) -> Tensor:
        """What is remembered of each sample, this batch included, (layers, n); ``memory.values`` has all.

        Asking for it is what makes the memory take in the batch.
        """
        assert self.memory is not None
        return self.memory.updated(self)

    @cached_property
    def reference_products(self) -> Tensor:
        """Inner products with the reference's mean gradient, ``<g_i, r>``, (layers, n)."""
        products = [
            inner_products(layer.gradients, own, self.samples)
            for layer, own in zip(self.layers, self.references, strict=True)
        ]
        values = torch.stack(products)
        require_finite(values, self.layers)
        return values.sum(0, keepdim=True) if self.together else values

    @property
    def references(self) -> Sequence[Gradients]:
        """The reference's mean gradient, by the parameters of each layer.

        Raises:
            ValueError: there is none.
        """
        if self.reference is None:
            raise ValueError(
                "this selection compares with trusted samples: backward(losses, reference=their losses)"
            )
        given, dtype = self.reference, self.dtype
        return [
            {p: given[p].to(dtype) if p in given else torch.zeros_like(p, dtype=dtype) for p in own}
            for own in (layer.gradients.parameters for layer in self.layers)
        ]

    @property
    def gradients(self) -> Sequence[LayerGradients]:
        """The samples' gradients of each layer."""
        return [layer.gradients for layer in self.layers]

    @property
    def grams(self) -> dict[int, Tensor]:
        """The Gram matrices, (n, n), of single layers, where the others do without."""
        found: dict[int, Tensor] = vars(self)["_grams"]
        return found

    def choose_ways(self, *needs: str, search: Search | None = None) -> None:
        """Make the Gram matrices of those layers that would pay more to do without; the first call decides.

        `needs` are of ``square_norms`` and ``projections``; `search` says in nanoseconds what else is done
        without a Gram matrix, and otherwise by going through it.
        """
        if self.made("gram") or self.made("_grams"):
            return
        n, dense = self.samples, []
        for k, layer in enumerate(self.layers):
            costs = layer.gradients.costs(n)
            if costs is not None:
                without = 2 * costs.product * ("projections" in needs)
                without += costs.square_norms * ("square_norms" in needs)
                without += search(layer.gradients) if search else 0
                if without <= 0.9 * costs.gram + ELEMENT * n * n * (search is not None):
                    continue
            dense.append(k)
        if len(dense) == len(self.layers):
            _ = self.gram
            return
        grams = vars(self)["_grams"] = {k: self.losses.new_empty(n, n, dtype=self.dtype) for k in dense}
        for k, matrix in grams.items():
            self.layers[k].gradients.write_gram(matrix)
            require_finite(matrix.diagonal().unsqueeze(0), [self.layers[k]])

    def by_layer(self, name: str) -> Tensor:
        """``square_norms`` or ``projections`` of each layer by itself, (layers, n)."""
        if not self.made(f"own {name}"):
            found = [
                getattr(layer.gradients, name)() if k not in self.grams else _read(self.grams[k], name)
                for k, layer in enumerate(self.layers)
            ]
            values = vars(self)[f"own {name}"] = torch.stack(found)
            require_finite(values, self.layers)
        stacked: Tensor = vars(self)[f"own {name}"]
        return stacked

    def _summed(self, name: str) -> Tensor:
        self.choose_ways(name)
        if self.made("gram"):
            return _read(self.gram, name)
        values = self.by_layer(name)
        return values.sum(0, keepdim=True) if self.together else values

    def made(self, name: str) -> bool:
        """Whether ``gram``, ``square_norms`` or ``projections`` has been asked for."""
        return name in vars(self)

    def sequence(self) -> Tensor:
        """The samples in their order, (layers, n)."""
        self.choose_ways(*self.order.needs)
        return sorted_by(self.order.function(*(getattr(self, name) for name in self.order.needs)))

    def ranks(self) -> Tensor:
        """Place of each sample in the order, (layers, n): 0 comes first."""
        return self.sequence().argsort(-1)

    def first(self, sizes: Tensor | int, ranks: Tensor) -> Tensor:
        """Equal weights, (layers, n), for the samples whose rank is below the size.

        Sizes have shape (layers, 1), or are one for all; ranks (layers, n), or (n,) for all layers alike.
        """
        return ((ranks < sizes).to(self.dtype) / sizes).expand(self.shape)

    def restricted(self, members: Tensor, limits: SizeLimits) -> "SelectionProblem":
        """The same problem for the samples of indices (m,); their projections on the batch's mean stay."""
        own = {field.name: getattr(self, field.name) for field in fields(SelectionProblem)}
        for name in ("losses", "labels", "indices"):
            own[name] = None if own[name] is None else own[name][members]
        own.update(limits=limits)
        return _Part(**own, whole=self, members=members)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part(SelectionProblem):
    whole: SelectionProblem
    members: Tensor

    @cached_property
    def gram(self) -> Tensor:
        return self.whole.gram[:, self.members.unsqueeze(1), self.members]

    @cached_property
    def grams(self) -> dict[int, Tensor]:
        return {k: gram[self.members.unsqueeze(1), self.members] for k, gram in self.whole.grams.items()}

    @property
    def reference_products(self) -> Tensor:
        return self.whole.reference_products[:, self.members]

    @cached_property
    def remembered(self) -> Tensor:
        return self.whole.remembered[:, self.members]

    @cached_property
    def gradients(self) -> Sequence[LayerGradients]:
        return [layer.gradients.part(self.members) for layer in self.layers]

    def choose_ways(self, *needs: str, search: Search | None = None) -> None:
        self.whole.choose_ways(*needs, search=search)
        if self.whole.made("gram"):
            _ = self.gram

    def by_layer(self, name: str) -> Tensor:
        return self.whole.by_layer(name)[:, self.members]

    def _summed(self, name: str) -> Tensor:
        values: Tensor = getattr(self.whole, name)
        return values[:, self.members]


def _read(gram: Tensor, name: str) -> Tensor:
    return gram.diagonal(dim1=-2, dim2=-1) if name == "square_norms" else gram.mean(-1)


def sorted_by(keys: Tensor) -> Tensor:
    """Samples along the last axis, the largest key first; equal keys in the order of the batch."""
    return torch.argsort(keys, dim=-1, descending=True, stable=True)


def ranks_of(keys: Tensor) -> Tensor:
    """Rank of each sample along the last axis, by its key."""
    return sorted_by(keys).argsort(-1)
