"""How a batch becomes gradients: the only thing in which the optimizers differ."""

from typing import Protocol

import torch
from torch import Tensor, nn

from dba_cli.config import DBAConfig, OptimizerConfig
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
    if not isinstance(entry, DBAConfig):
        return None
    dba = DynamicBatch(
        model,
        metric=entry.metric,
        order=entry.order,
        min_fraction=entry.min_fraction,
        max_fraction=entry.max_fraction,
        size=entry.size,
        scope=entry.scope,
        rule=entry.rule,
        stratified=entry.stratified,
        generator=generator,
    )

    def select(losses: Tensor, labels: Tensor) -> Selection:
        return dba.backward(losses, labels=labels)

    return select
