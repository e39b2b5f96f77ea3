"""PyTorch's optimizers and schedules from their config entries."""

import math
from collections.abc import Iterable
from typing import assert_never

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from dba_cli.config import OptimizerConfig, ScheduleConfig


def build_optimizer(entry: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the base optimizer of ``entry``: DBA leaves it untouched and only feeds it gradients."""
    # Fused updates give the same figures up to rounding; for wide layers they take a fraction of the time.
    base = entry.base if entry.kind == "dba" else entry
    match base.kind:
        case "sgd":
            return torch.optim.SGD(
                parameters,
                lr=base.lr,
                momentum=base.momentum,
                nesterov=base.nesterov,
                weight_decay=base.weight_decay,
                fused=True,
            )
        case "adam":
            beta1, beta2 = base.betas
            return torch.optim.Adam(
                parameters,
                lr=base.lr,
                betas=(beta1, beta2),
                eps=base.eps,
                weight_decay=base.weight_decay,
                fused=True,
            )
        case _:
            assert_never(base.kind)


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
