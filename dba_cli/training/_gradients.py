"""How a batch becomes gradients: the only thing in which the optimizers differ."""

from typing import Protocol

import torch
from torch import Tensor, nn

from dba_cli.config import OptimizerConfig
from dba_cli.method import DynamicBatch, Selection


class GradientRule(Protocol):
    """Writes ``.grad`` from the losses of a batch."""

    def __call__(self, losses: Tensor, labels: Tensor) -> Selection | None:
        """Turn ``losses`` (n,) into gradients; return what each layer used where it selects.

        ``labels`` (n,) are the classes of the samples, for rules that keep their balance.

        Raises:
            NonFiniteError: There is nothing to select from.
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
