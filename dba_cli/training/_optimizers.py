"""Optimizers and schedules from their config entries."""

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from dba_cli import optimizers
from dba_cli.config import OptimizerConfig, ScheduleConfig


def build_optimizer(entry: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the base optimizer of ``entry``: DBA leaves it untouched and only feeds it gradients.

    Raises:
        ValueError: The optimizer refuses the parameters.
    """
    base = entry.base_optimizer
    return optimizers.build(base.kind, base.arguments, parameters)


def build_scheduler(config: ScheduleConfig, optimizer: torch.optim.Optimizer, total_steps: int) -> LambdaLR:
    """Build the schedule of the learning rate over ``total_steps`` updates, warm-up included."""

    def factor(done: int) -> float:
        if done < config.warmup_steps:
            return (done + 1) / config.warmup_steps
        progress = (done - config.warmup_steps) / max(1, total_steps - config.warmup_steps)
        if config.kind == "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        return 1 - progress if config.kind == "linear" else 1.0

    return LambdaLR(optimizer, factor)
