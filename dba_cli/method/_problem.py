"""What a selection rule is given."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._limits import SizeLimits
from ._metrics import Metric
from ._orders import OrderFunction


@dataclass(frozen=True, slots=True)
class SelectionProblem:
    """The Gram matrices of per-sample gradients, and what the caller wants of a subset.

    Attributes:
        gram: Gram matrices ``K_ij = <g_i, g_j>``, (layers, n, n), one per selection to be made.
        projections: inner products with the batch's mean gradient, ``<g_i, mean>``, (layers, n).
        metric: what to improve.
        order: sort keys for prefix families.
        limits: how many samples may be kept.
        generator: source of every random number; None is torch's global one.
    """

    gram: Tensor
    projections: Tensor
    metric: Metric
    order: OrderFunction
    limits: SizeLimits
    generator: torch.Generator | None = None

    @property
    def samples(self) -> int:
        """Number n of candidate samples."""
        return self.gram.shape[-1]

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
        return torch.finfo(self.gram.dtype).eps

    def square_norms(self) -> Tensor:
        """``|g_i|^2``, (layers, n)."""
        return self.gram.diagonal(dim1=-2, dim2=-1)

    def ranks(self) -> Tensor:
        """Place of each sample in the order, (layers, n): 0 comes first."""
        return ranks_of(self.order(self.square_norms(), self.projections))

    def first(self, sizes: Tensor | int, ranks: Tensor) -> Tensor:
        """Equal weights for the samples whose `ranks`, (layers, n), are below `sizes`, (layers, 1)."""
        return (ranks < sizes).to(self.gram.dtype) / sizes

    def restricted(self, members: Tensor, limits: SizeLimits) -> "SelectionProblem":
        """The same problem for some of the samples; their projections on the batch's mean stay.

        Args:
            members: sample indices, (m,).
            limits: sizes allowed among them.
        """
        gram = self.gram[:, members.unsqueeze(1), members]
        return replace(self, gram=gram, projections=self.projections[:, members], limits=limits)


def ranks_of(keys: Tensor) -> Tensor:
    """Rank along the last axis, the largest key first; equal keys in the order of the batch."""
    order = torch.argsort(keys, dim=-1, descending=True, stable=True)
    places = torch.arange(keys.shape[-1], device=keys.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, places)
