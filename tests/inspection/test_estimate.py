"""The arithmetic of the estimate, with a clock that the test turns."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from dba_cli.config import Evaluation, TrainingConfig
from dba_cli.inspection._estimate import _MAX_SECONDS, _EnoughError, _Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    return clock


def observed(clock: SimpleNamespace, step: float, evaluation: float, steps: int) -> _Stopwatch:
    watch = _Stopwatch(queued=False)
    label: Any = SimpleNamespace(timeline=SimpleNamespace(steps_per_epoch=6))
    watch.started(label)
    watch.evaluated(SimpleNamespace(step=0))  # type: ignore[arg-type]
    for number in range(1, steps + 1):
        clock.now += 50 * step if number <= 2 else step  # the first ones are slow and do not count
        watch.step(number, 0.0)
        clock.now += evaluation
        watch.evaluated(SimpleNamespace(step=number))  # type: ignore[arg-type]
    return watch


def test_a_run_is_its_steps_and_its_evaluations(clock: SimpleNamespace) -> None:
    watch = observed(clock, step=0.002, evaluation=0.03, steps=8)
    training = TrainingConfig(epochs=500, batch_size=100, evaluation=Evaluation(epochs=30))
    config: Any = SimpleNamespace(training=training)
    # 3 000 steps; an evaluation at 0, after every 180 steps (16 of them), and at the end.
    assert watch.extrapolated(config) == pytest.approx(3000 * 0.002 + 18 * 0.03)


def test_slow_steps_end_the_measurement_early(clock: SimpleNamespace) -> None:
    with pytest.raises(_EnoughError):
        observed(clock, step=_MAX_SECONDS / 4, evaluation=0.0, steps=8)
