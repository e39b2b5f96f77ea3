"""The table of optimizers that a config can name: all of torch.optim, and a user's own classes."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

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


def unusable(builder: Callable[..., Optimizer]) -> str | None:
    """Return why an optimizer cannot train here, None where it can."""
    if isinstance(builder, type) and not issubclass(builder, Optimizer):
        return "it is no torch.optim.Optimizer"
    if builder is torch.optim.SparseAdam:
        return "it takes sparse gradients alone, which no layer here has"
    step = inspect.signature(getattr(builder, "step", Optimizer.step)).parameters.get("closure")
    if step is not None and step.default is inspect.Parameter.empty:
        return "its step needs a closure that evaluates the loss anew; here a step has one gradient"
    return None


def build(kind: str, arguments: Mapping[str, Any], parameters: Parameters) -> Optimizer:
    """Return the optimizer of ``parameters``.

    Raises:
        ValueError: There is no such kind, or it refuses its arguments or the parameters.
    """
    builder = OPTIMIZERS[kind]
    try:
        optimizer = builder(parameters, **arguments)
    except Exception as error:  # torch's checks, and a user's class, any line of which may fail
        raise ValueError(f"{kind} cannot be made: {error}") from error
    if not isinstance(optimizer, Optimizer) or any("lr" not in group for group in optimizer.param_groups):
        raise ValueError(f"{kind} makes no torch.optim.Optimizer with a learning rate 'lr'")
    return optimizer
