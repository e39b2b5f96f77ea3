"""What the tests of the trainer train: a small network on random images, and the loop's own batches."""

import inspect
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from dba_cli.config import OptimizerConfig, ScheduleConfig
from dba_cli.records import Evaluation
from dba_cli.training import (
    Learning,
    Observer,
    TensorData,
    Timeline,
    Training,
    TrustedSamples,
    build_scheduler,
    gradient_rule,
)

N, BATCH, CLASSES = 23, 5, 3  # an epoch is five steps, the last one on three samples


def samples(n: int, seed: int) -> TensorData:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 1, 4, 4, generator=generator)
    return TensorData(images, torch.randint(0, CLASSES, (n,), generator=generator))


TRAIN, TEST = samples(N, seed=1), samples(31, seed=2)


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, CLASSES))


def timeline(steps: int = 12, period: int = 4) -> Timeline:
    return Timeline(steps=steps, batch_size=BATCH, steps_per_epoch=5, evaluation_period=period)


def order() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def batches(steps: int) -> list[torch.Tensor]:
    """The indices of each step, from the same shuffles as the trainer's but cut by hand."""
    generator, found = order(), list[torch.Tensor]()
    while len(found) < steps:
        shuffle = torch.randperm(N, generator=generator)
        found += [shuffle[start : start + BATCH] for start in range(0, N, BATCH)]
    return found[:steps]


def sgd(model: nn.Module, lr: float = 0.1, **keys: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=lr, **keys)


def dba_rule(model: nn.Module, **keys: Any) -> Any:
    entry = {"name": "x", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}, **keys}
    return gradient_rule(OptimizerConfig.model_validate(entry), model, torch.Generator().manual_seed(5))


@dataclass
class Watcher(Observer):
    """Notes what it is told; stops at a step or an evaluation."""

    at_step: int | None = None
    at_row: int | None = None
    steps: list[tuple[int, float]] = field(default_factory=list)
    rows: list[Evaluation] = field(default_factory=list)

    def step(self, step: int, loss: float) -> None:
        self.steps.append((step, loss))
        if step == self.at_step:
            raise KeyboardInterrupt

    def evaluated(self, evaluation: Evaluation) -> None:
        self.rows.append(evaluation)
        if evaluation.step == self.at_row:
            raise KeyboardInterrupt


def trained(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    backward: Any = None,
    train_data: Any = TRAIN,
    test_data: TensorData = TEST,
    lasting: Timeline | None = None,
    observer: Observer | None = None,
    trusted: TrustedSamples | None = None,
    wrong: torch.Tensor | None = None,
    **options: Any,
) -> Training:
    optimizer = optimizer or sgd(model)
    schedule = build_scheduler(ScheduleConfig(), optimizer, 1)
    selection = SimpleNamespace(backward=backward) if inspect.isfunction(backward) else backward
    learning = Learning(optimizer, schedule, selection, **options)
    lasting = lasting or timeline()
    training = Training(
        model, learning, train_data, test_data, lasting, order(), observer, trusted=trusted, wrong=wrong
    )
    assert training.advance()
    return training


def weights(model: nn.Module) -> list[list[float]]:
    return [parameter.flatten().tolist() for parameter in model.parameters()]


def assert_same(ours: nn.Module, theirs: nn.Module, **tolerances: float) -> None:
    for parameter, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, **tolerances)
