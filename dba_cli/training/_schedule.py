"""The learning-rate schedule of a config."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dba_cli.config import ScheduleConfig


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
