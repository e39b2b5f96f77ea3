"""The time left of all runs of a command."""

from pathlib import Path

import pytest

from dba_cli.cli import _pace
from dba_cli.cli._pace import TotalProgress
from dba_cli.experiments import PlannedRun

from ..experiments.lab import SGD, config, planned


def runs(number: int) -> list[PlannedRun]:
    return planned(Path("results"), config(SGD, seeds=range(number), steps=100))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(_pace.time, "monotonic", lambda: now[0])
    return now


def test_the_pace_of_all_steps_tells_the_time_left(clock: list[float]) -> None:
    pace, (one, two, three, four) = TotalProgress(), runs(4)
    pace.planned([one, two])
    pace.planned([three, four])
    assert pace.seconds_left() is None
    pace.started(one)
    pace.started(two)  # side by side
    assert pace.seconds_left() is None
    clock[0] += 10
    pace.stepped(one, 30)
    pace.stepped(two, 20)
    assert pace.seconds_left() == pytest.approx(350 * 10 / 50)
    clock[0] += 10
    pace.ended(one)
    assert pace.seconds_left() == pytest.approx(280 * 20 / 120)
    pace.ended(two, failed=True)
    pace.started(three)
    pace.elsewhere(three)  # nobody here does its 100 steps, or has done them
    assert pace.seconds_left() == pytest.approx(100 * 20 / 200)
    pace.ended(four)
    assert (pace.over, pace.failed, pace.time_left()) == (4, 1, "")


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
    pace, (one, two) = TotalProgress(), runs(2)
    pace.planned([one, two])
    pace.started(one)
    clock[0] += seconds
    pace.ended(one)
    assert pace.time_left() == said
