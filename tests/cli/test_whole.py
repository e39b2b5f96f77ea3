"""The time left of all runs of a command."""

import pytest

from dba_cli.cli import _whole
from dba_cli.cli._whole import Whole
from dba_cli.experiments import RunLabel
from dba_cli.training import Timeline


def label(number: int, steps: int = 100, total: int = 4, all_steps: int = 400) -> RunLabel:
    return RunLabel("exp", "sgd", 0, number, total, Timeline(steps, 10, 10, 10), all_steps)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(_whole.time, "monotonic", lambda: now[0])
    return now


def test_the_pace_of_all_steps_tells_the_time_left(clock: list[float]) -> None:
    whole = Whole()
    assert whole.seconds_left() is None
    whole.started(label(1))
    whole.started(label(2))  # side by side
    assert whole.seconds_left() is None
    clock[0] += 10
    whole.stepped(label(1), 30)
    whole.stepped(label(2), 20)
    assert whole.seconds_left() == pytest.approx(350 * 10 / 50)
    clock[0] += 10
    whole.ended(label(1))
    assert whole.seconds_left() == pytest.approx(280 * 20 / 120)
    whole.ended(label(2), failed=True)
    whole.started(label(3))
    whole.elsewhere(label(3))  # nobody here does its 100 steps, or has done them
    assert whole.seconds_left() == pytest.approx(100 * 20 / 200)
    whole.ended(label(4))
    assert (whole.over, whole.failed, whole.time_left()) == (4, 1, "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s left"),
        (89, "89 s left"),
        (91, "2 min left"),
        (3 * 3600, "3.0 h left"),
        (3 * 86400, "3.0 days left"),
    ],
)
def test_in_words(clock: list[float], seconds: float, said: str) -> None:
    whole = Whole()
    whole.started(label(1, total=2, all_steps=200))
    clock[0] += seconds
    whole.ended(label(1, total=2, all_steps=200))
    assert whole.time_left() == said
