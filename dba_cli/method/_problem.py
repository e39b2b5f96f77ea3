"""What a selection rule is given."""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from ._metrics import Metric
from ._orders import OrderFunction


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """How many samples of a batch a selection may keep.

    Attributes:
        min_fraction: at least ``ceil(min_fraction * n)`` samples, and at least one.
    """

    min_fraction: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_fraction <= 1:
            raise ValueError(f"min_fraction must be in [0, 1], not {self.min_fraction}")

    def bounds(self, n: int) -> tuple[int, int]:
        """Smallest and largest size allowed for n samples."""
        # 0.1 * 3 is 0.30000000000000004: a product that is whole but for rounding is not rounded up.
        return max(1, ceil(self.min_fraction * n - 1e-9)), n


@dataclass(frozen=True, slots=True)
class SelectionProblem:
    """The Gram matrices of a batch's per-sample gradients, and what the caller wants of a subset.

    Attributes:
        gram: Gram matrices ``K_ij = <g_i, g_j>``, (layers, n, n), one per selection to be made.
        metric: what to improve.
        order: sort keys for prefix families.
        smallest: smallest size allowed.
        largest: largest size allowed.
        generator: source of every random number; None is torch's global one.
    """

    gram: Tensor
    metric: Metric
    order: OrderFunction
    smallest: int
    largest: int
    generator: torch.Generator | None = None

    @property
    def samples(self) -> int:
        """Number n of candidate samples."""
        return self.gram.shape[-1]

    @property
    def epsilon(self) -> float:
        """Rounding unit of the Gram matrices."""
        return torch.finfo(self.gram.dtype).eps

    def square_norms(self) -> Tensor:
        """``|g_i|^2``, (layers, n)."""
        return self.gram.diagonal(dim1=-2, dim2=-1)

    def ranks(self) -> Tensor:
        """Place of each sample in the order, (layers, n): 0 comes first."""
        keys = self.order(self.square_norms(), self.gram.sum(-1) / self.samples)
        return ranks_of(keys)

    def subset(self, ranks: Tensor, sizes: Tensor) -> Tensor:
        """Equal weights for the `sizes` (layers, 1) first samples by `ranks` (layers, n)."""
        return (ranks < sizes).to(self.gram.dtype) / sizes


def ranks_of(keys: Tensor) -> Tensor:
    """Rank along the last axis, the largest key first; stable, NaN first (torch sorts it as largest)."""
    order = torch.argsort(keys, dim=-1, descending=True, stable=True)
    places = torch.arange(keys.shape[-1], device=keys.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, places)
