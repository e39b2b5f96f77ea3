"""Selection problems made of random gradients, and a small network with its batches."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dba_cli.method import METRICS, ORDERS, Explicit, SelectionProblem, SizeLimits
from dba_cli.method._layers import Layer
from dba_cli.method._memory import Memory

BY_GRADIENTS = [name for name, order in ORDERS.items() if {*order.needs} <= {"square_norms", "projections"}]
"""Orders that depend on the batch's gradients alone."""


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
        memory=Memory("distance", 0.7, class_relative=False),
        indices=torch.arange(gradients.shape[1]),
        reference={p: p.detach() for layer in layers for p in layer.gradients.parameters},
        **{"losses": torch.arange(gradients.shape[1]).double(), **settings},
    )


def mlp(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """A network from 7 inputs to 3 classes; its layers are 0, 2, 3 and 4."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(7, 6), nn.ReLU(inplace=True), nn.Linear(6, 5, bias=False), nn.LayerNorm(5), nn.Linear(5, 3)
    ).to(dtype)


def batch(n: int = 12, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """The inputs (n, 7) and classes (n,) of that many samples."""
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, 7, generator=generator, dtype=dtype), torch.randint(0, 3, (n,), generator=generator)


def losses_of(model: nn.Module, n: int = 12) -> Tensor:
    """Losses of a batch in the model's type, (n,)."""
    x, y = batch(n, next(model.parameters()).dtype)
    return F.cross_entropy(model(x), y, reduction="none")
