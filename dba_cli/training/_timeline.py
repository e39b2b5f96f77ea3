"""How long a training is, in update steps."""

import math
from dataclasses import dataclass

from dba_cli.config import TrainingConfig


@dataclass(frozen=True)
class Timeline:
    """How long to train and when to evaluate, in update steps.

    With ``whole_batches`` every batch is full, even where it is larger than an epoch.
    """

    steps: int
    batch_size: int
    steps_per_epoch: int
    evaluation_period: int
    whole_batches: bool = False

    @classmethod
    def of(cls, n: int, config: TrainingConfig, batch_size: int | None = None) -> "Timeline":
        """Lay out the training of ``config`` on ``n`` samples, in batches of its size unless given."""
        batch_size = batch_size or config.batch_size
        per_epoch = math.ceil(n / batch_size)
        period = config.evaluation.in_steps(per_epoch)
        return cls(config.in_steps(per_epoch), batch_size, per_epoch, period, config.deformation is not None)
