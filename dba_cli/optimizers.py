"""The table of optimizers that a config can name: all of torch.optim, and a user's own classes."""

from collections.abc import Callable, Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from dba_cli.method import Registry

Parameters = Iterable[nn.Parameter]
Share = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, le=1000, description="Learning rate.")]
WeightDecay = Annotated[float, Field(ge=0, lt=1, description="L2 penalty, added to the gradient.")]

OPTIMIZERS: Registry[Callable[..., Optimizer]] = Registry("optimizer", attributes=True)
for _name, _class in vars(torch.optim).items():
    if isinstance(_class, type) and issubclass(_class, Optimizer) and _class is not Optimizer:
        OPTIMIZERS.add(_name, _class)


# Fused updates give the same figures up to rounding; for wide layers they take a fraction of the time.
def sgd(
    params: Parameters,
    lr: LearningRate,
    momentum: Annotated[Share, Field(description="Share of the step before that goes on.")] = 0.0,
    nesterov: Annotated[bool, Field(description="Nesterov's momentum.")] = False,
    weight_decay: WeightDecay = 0.0,
) -> Optimizer:
    """Stochastic gradient descent (torch.optim.SGD), fused."""
    return torch.optim.SGD(params, lr, momentum, 0, weight_decay, nesterov, fused=True)


def adam(
    params: Parameters,
    lr: LearningRate = 1e-3,
    betas: Annotated[tuple[Share, Share], Field(description="Decay of the two running means.")] = (
        0.9,
        0.999,
    ),
    eps: Annotated[float, Field(gt=0, le=1, description="Added to the denominator.")] = 1e-8,
    weight_decay: WeightDecay = 0.0,
) -> Optimizer:
    """Adam (torch.optim.Adam), fused."""
    return torch.optim.Adam(params, lr, betas, eps, weight_decay, fused=True)


OPTIMIZERS.add("sgd", sgd)
OPTIMIZERS.add("adam", adam)
