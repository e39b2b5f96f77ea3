"""A training's state: taken at any step and put into a new training, it ends in the same bits."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dba_cli.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from dba_cli.records import Evaluation
from dba_cli.training import (
    Learning,
    State,
    Training,
    build_scheduler,
    gradient_rule,
)

from .lab import CLASSES, TEST, TRAIN, N, Watcher, network, order, timeline, weights

SGD = {"kind": "sgd", "lr": 0.1}
ENTRIES = {
    name: OptimizerConfig.model_validate({"name": "x", **keys})
    for name, keys in {
        "sgd": SGD,
        "averaged": SGD,
        "momentum": SGD | {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        "adam": {"kind": "adam", "lr": 0.01},
        "RMSprop": {"kind": "RMSprop", "momentum": 0.5, "centered": True},
        "dba": {"kind": "dba", "base": SGD},
        "random": {"kind": "dba", "base": SGD, "rule": "random"},
        "elr": {"kind": "dba", "base": SGD, "loss": {"kind": "early_learning_regularization"}},
        "two groups": SGD | {"loss": {"kind": "two_groups", "warm_up": 1}},
        "small loss": SGD | {"loss": {"kind": "small_loss", "rate": 0.4, "ramp": 2}},
        "distillation": SGD
        | {"loss": {"kind": "distillation", "steps": 5, "teachers": 2, "channels": [2], "dropout": 0.5}},
        "mixup": SGD | {"loss": {"kind": "mixup"}},
        "memory": {"kind": "dba", "base": SGD, "rule": "two_groups", "warmup_steps": 3},
    }.items()
}
STEPS = 11


@dataclass
class Keeper:
    """Keeps a state as a file would: by value, and only data."""

    period: int = 1000
    states: dict[int, bytes] = field(default_factory=dict)

    def due(self, step: int) -> bool:
        return step > 0 and step % self.period == 0

    def save(self, state: State) -> None:
        out = io.BytesIO()
        torch.save(state, out)
        self.states[state["position"]["step"]] = out.getvalue()

    def at(self, step: int) -> Any:
        return torch.load(io.BytesIO(self.states[step]), weights_only=True)


def training(
    name: str, watcher: Watcher, change: Callable[[nn.Module], nn.Module] = lambda model: model
) -> tuple[nn.Module, Training]:
    model = network()
    entry, selection = ENTRIES[name], torch.Generator().manual_seed(5)
    optimizer = entry.base_optimizer.build(model.parameters())
    schedule = build_scheduler(ScheduleConfig(kind="cosine", warmup_steps=3), optimizer, STEPS)
    rule = gradient_rule(entry, model, selection)
    loss = TrainingConfig(steps=STEPS).loss_of(entry).build(N, CLASSES, (1, 4, 4), selection)
    average = 0.7 if name == "averaged" else None
    generators = {"selection": selection}
    learning = Learning(optimizer, schedule, rule, loss, ema_decay=average, generators=generators)
    return model, Training(change(model), learning, TRAIN, TEST, timeline(STEPS), order(), watcher)


def bits(model: nn.Module, outcome: Training) -> tuple[list[list[float]], list[Evaluation]]:
    rows = [row.model_copy(update={"seconds": 0}) for row in outcome.history]
    return weights(model), rows


@pytest.mark.parametrize("name", ENTRIES)
def test_going_on_from_any_step_ends_in_the_same_bits(name: str) -> None:
    keeper, watcher = Keeper(period=1), Watcher()
    model, whole = training(name, watcher)
    assert whole.advance(keeper=keeper)
    expected = bits(model, whole)
    assert sorted(keeper.states) == list(range(1, STEPS + 1))
    for step in keeper.states:
        rest = Watcher()
        model, second = training(name, rest)
        second.load_state_dict(keeper.at(step))
        assert second.step == step
        assert second.advance()
        assert bits(model, second) == expected
        assert rest.steps == watcher.steps[step:]
        assert [row.step for row in rest.rows] == [
            row.step for row in watcher.rows if row.step > step
        ]  # no evaluation is done twice


@pytest.mark.parametrize(
    "moment", [{"at_step": 4}, {"at_step": 6}, {"at_row": 0}, {"at_row": 4}, {"at_row": 11}]
)
def test_an_observer_that_stops_it_has_the_state_saved(moment: dict[str, int]) -> None:
    model, whole = training("dba", Watcher())
    assert whole.advance()
    expected = bits(model, whole)
    keeper = Keeper()
    with pytest.raises(KeyboardInterrupt):
        training("dba", Watcher(**moment))[1].advance(keeper=keeper)
    (step,) = keeper.states
    assert step == next(iter(moment.values()))
    model, second = training("dba", Watcher())
    second.load_state_dict(keeper.at(step))
    assert second.advance()
    assert bits(model, second) == expected


class Interrupted(nn.Module):
    """Ctrl-C in the middle of a forward pass of training."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.passes = inner, 0

    def forward(self, x: Tensor) -> Any:
        self.passes += self.training
        if self.passes == 7:
            raise KeyboardInterrupt
        return self.inner(x)


def test_half_an_update_is_no_state() -> None:
    keeper = Keeper(period=5)
    with pytest.raises(KeyboardInterrupt):
        training("adam", Watcher(), Interrupted)[1].advance(keeper=keeper)
    assert list(keeper.states) == [5]


def test_seconds_are_counted_on() -> None:
    keeper = Keeper(period=5)
    outcome = training("sgd", Watcher())[1]
    assert outcome.advance(keeper=keeper)
    state = keeper.at(10)
    state["seconds"] = [1000.0, 100.0]
    _, second = training("sgd", Watcher())
    second.load_state_dict(state)
    assert second.advance()
    found = second
    assert 1000 < found.seconds < 1000 + 60
    assert 100 < found.evaluation_seconds < 100 + 60
    assert math.isclose(found.history[-1].seconds, found.seconds, abs_tol=60)
    assert outcome.seconds < 1000


@pytest.mark.parametrize(
    "part", ["model", "average", "optimizer", "scheduler", "batches", "generators", "selection", "position"]
)
def test_a_state_without_a_part_is_refused(part: str) -> None:
    keeper = Keeper(period=5)
    name = "averaged" if part == "average" else "random"
    training(name, Watcher())[1].advance(keeper=keeper)
    state = keeper.at(5)
    state[part] = {}
    with pytest.raises((KeyError, ValueError, RuntimeError)):
        training(name, Watcher())[1].load_state_dict(state)
