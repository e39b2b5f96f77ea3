"""Selection problems made of random gradients."""

import torch
from torch import Tensor

from dba_cli.method import METRICS, ORDERS, SelectionProblem, SizeLimits


def gradients_of(n: int, seed: int, *, layers: int = 2, size: int = 4) -> Tensor:
    """Gradients (layers, n, size) with a common direction, so that subsets differ."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(layers, 1, size, generator=generator, dtype=torch.float64)
    return mean + torch.randn(layers, n, size, generator=generator, dtype=torch.float64)


def problem_of(
    gradients: Tensor, metric: str = "snr", order: str = "alignment", **limits: float
) -> SelectionProblem:
    """The problem of choosing among gradients (layers, n, size)."""
    gram = gradients @ gradients.mT
    return SelectionProblem(gram, gram.mean(-1), METRICS[metric], ORDERS[order], SizeLimits(**limits))
