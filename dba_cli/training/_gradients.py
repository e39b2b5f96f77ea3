"""How a batch becomes gradients: the only thing in which the optimizers differ."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dba_cli.config import OptimizerConfig
from dba_cli.method import DynamicBatch, Selection

GradientRule = Callable[[Tensor, Tensor], Selection]
"""Turns losses (n,) and classes (n,) of a batch into ``.grad``; returns what each layer used.

It raises NonFiniteError where there is nothing to select from.
"""


def gradient_rule(
    entry: OptimizerConfig, model: nn.Module, generator: torch.Generator
) -> GradientRule | None:
    """Return the rule of a config entry, None for plain training on the gradient of the mean loss.

    ``generator`` feeds rules that draw at random.

    Raises:
        ValueError: DBA cannot watch a module of the model.
    """
    if not entry.selects:
        return None
    arguments = {key: value for key, value in entry.arguments.items() if key != "base"}
    dba = DynamicBatch(model, **arguments, generator=generator)
    return lambda losses, labels: dba.backward(losses, labels=labels)
