"""Selection problems made of random gradients."""

import torch
from torch import Tensor, nn

from dba_cli.method import METRICS, ORDERS, Explicit, SelectionProblem, SizeLimits
from dba_cli.method._layers import Layer


def gradients_of(n: int, seed: int, *, layers: int = 2, size: int = 4) -> Tensor:
    """Gradients (layers, n, size) with a common direction, so that subsets differ."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(layers, 1, size, generator=generator, dtype=torch.float64)
    return mean + torch.randn(layers, n, size, generator=generator, dtype=torch.float64)


def problem_of(
    gradients: Tensor, metric: str = "snr", order: str = "alignment", **settings: object
) -> SelectionProblem:
    """The problem of choosing among gradients (layers, n, size); `settings` are its fields or limits."""
    limits = {name: settings.pop(name) for name in list(settings) if name in SizeLimits.__slots__}
    layers = [
        Layer((str(row),), Explicit({nn.Parameter(layer[0]): layer})) for row, layer in enumerate(gradients)
    ]
    return SelectionProblem(
        layers=layers,
        metric=METRICS[metric],
        order=ORDERS[order],
        limits=SizeLimits(**limits),
        dtype=gradients.dtype,
        **{"losses": torch.arange(gradients.shape[1]).double(), **settings},
    )
