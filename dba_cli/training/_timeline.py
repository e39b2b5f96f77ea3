"""How long a training is, in update steps, and its learning rate on the way."""

import math
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dba_cli.config import ScheduleConfig, TrainingConfig


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


def build_scheduler(config: ScheduleConfig, optimizer: Optimizer, total_steps: int) -> LambdaLR:
    """Build the schedule of the learning rate over ``total_steps`` updates, warm-up included."""

    def factor(done: int) -> float:
        if done < config.warmup_steps:
            return (done + 1) / config.warmup_steps
        progress = (done - config.warmup_steps) / max(1, total_steps - config.warmup_steps)
        if config.kind == "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        return 1 - progress if config.kind == "linear" else 1.0

    return LambdaLR(optimizer, factor)
