"""How a batch becomes gradients: the only thing in which the optimizers differ."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from dba_cli.config import DBAConfig, OptimizerConfig
from dba_cli.method import DynamicBatch


class NonFiniteGradientError(ArithmeticError):
    """The losses of a batch are finite and its gradients are not: training has diverged."""


class GradientRule(Protocol):
    """Writes ``.grad`` from the losses of a batch."""

    def __call__(self, losses: Tensor) -> Mapping[str, int] | None:
        """Turn ``losses`` (n,) into gradients; return the samples used per layer where it selects.

        Raises:
            NonFiniteGradientError: There is nothing to select from.
        """


def mean_gradient(losses: Tensor) -> None:
    """Plain training: the gradient of the mean loss."""
    losses.mean().backward()  # type: ignore[no-untyped-call]


def gradient_rule(entry: OptimizerConfig, model: nn.Module, generator: torch.Generator) -> GradientRule:
    """Return the rule of a config entry; ``generator`` feeds rules that draw at random.

    Raises:
        ValueError: DBA cannot watch a module of the model.
    """
    if not isinstance(entry, DBAConfig):
        return mean_gradient
    dba = DynamicBatch(
        model,
        metric=entry.metric,
        order=entry.order,
        min_fraction=entry.min_fraction,
        scope=entry.scope,
        rule=entry.rule,
        generator=generator,
    )

    def select(losses: Tensor) -> Mapping[str, int]:
        try:
            return dba.backward(losses).sizes
        except ValueError as error:
            # Any other ValueError is a fault of the program, and must not pass for a diverged run.
            if "not finite" not in str(error):
                raise
            raise NonFiniteGradientError(str(error)) from error

    return select
