import math
from typing import Any

import pytest
import torch
from torch import nn

from dba_cli.config import OptimizerConfig, ScheduleConfig
from dba_cli.training import build_scheduler


def entry(**keys: Any) -> OptimizerConfig:
    return OptimizerConfig.model_validate({"name": "x", **keys})


def weight(value: float = 0.0) -> nn.Parameter:
    return nn.Parameter(torch.tensor([value], dtype=torch.float64))


SGD = {"kind": "sgd", "lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
ADAM = {"kind": "adam", "lr": 0.02, "betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.03}


@pytest.mark.parametrize(
    ("keys", "kind", "expected"),
    [
        (SGD, torch.optim.SGD, {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ({"kind": "sgd", "lr": 0.5}, torch.optim.SGD, {"lr": 0.5, "momentum": 0.0, "nesterov": False}),
        (ADAM, torch.optim.Adam, {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.03}),
        ({"kind": "adam"}, torch.optim.Adam, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}),
    ],
)
@pytest.mark.parametrize("within_dba", [False, True])
def test_every_key_of_an_entry_reaches_the_optimizer(
    keys: dict[str, Any], kind: type, expected: dict[str, Any], within_dba: bool
) -> None:
    config = entry(kind="dba", base=keys) if within_dba else entry(**keys)
    optimizer = config.base_optimizer.build([weight()])
    assert type(optimizer) is kind
    assert {key: optimizer.defaults[key] for key in expected} == expected


def test_two_steps_of_adam_by_hand() -> None:
    w = weight(1.0)
    optimizer = entry(kind="adam", lr=0.1, betas=[0.5, 0.75], eps=0.25).base_optimizer.build([w])
    expected, m, v = 1.0, 0.0, 0.0
    for t, gradient in enumerate([2.0, -3.0], start=1):
        w.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        m, v = 0.5 * m + 0.5 * gradient, 0.75 * v + 0.25 * gradient**2
        expected -= 0.1 * (m / (1 - 0.5**t)) / (math.sqrt(v / (1 - 0.75**t)) + 0.25)
        assert w.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("within_dba", [False, True])
def test_an_unknown_kind_never_trains_as_another(within_dba: bool) -> None:
    unknown = entry(**ADAM).model_copy(update={"kind": "rmsprop"})
    if within_dba:
        unknown = entry(kind="dba", base=ADAM).model_copy(update={"base": unknown})
    with pytest.raises(ValueError, match="unknown optimizer 'rmsprop'"):
        unknown.base_optimizer.build([weight()])


R = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("kind", "warmup", "factors"),
    [
        ("constant", 0, [1, 1, 1, 1]),
        ("constant", 3, [1 / 3, 2 / 3, 1, 1, 1]),
        ("linear", 0, [1, 0.8, 0.6, 0.4, 0.2]),
        ("linear", 2, [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ("cosine", 0, [1, (1 + R) / 2, 0.5, (1 - R) / 2]),
        ("cosine", 4, [0.25, 0.5, 0.75, 1, 1, 0.75, 0.25]),
        ("cosine", 3, [1 / 3, 2 / 3, 1]),  # warm-up to the end
        ("linear", 8, [0.125, 0.25, 0.375]),  # warm-up beyond the end
        ("cosine", 0, [1]),
    ],
)
def test_the_learning_rate_of_each_step(kind: Any, warmup: int, factors: list[float]) -> None:
    w = weight()
    optimizer = entry(kind="sgd", lr=0.3).base_optimizer.build([w])
    scheduler = build_scheduler(ScheduleConfig(kind=kind, warmup_steps=warmup), optimizer, len(factors))
    moved = []
    for _ in factors:
        before = w.item()
        w.grad = torch.ones_like(w)  # so that the weight falls by the learning rate
        optimizer.step()
        scheduler.step()
        moved.append(before - w.item())
    assert moved == pytest.approx([0.3 * factor for factor in factors], rel=1e-9)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_a_decay_is_zero_after_the_last_step(kind: Any) -> None:
    optimizer = entry(kind="sgd", lr=0.3).base_optimizer.build([weight()])
    scheduler = build_scheduler(ScheduleConfig(kind=kind, warmup_steps=2), optimizer, 6)
    for _ in range(6):
        assert scheduler.get_last_lr()[0] > 0.01
        optimizer.step()
        scheduler.step()
    assert scheduler.get_last_lr() == [pytest.approx(0, abs=1e-16)]
