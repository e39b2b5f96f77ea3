"""The displays of runs under way, by what is seen on a terminal."""

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from dba_cli.cli._progress import reporter
from dba_cli.experiments import PlannedRun, Reporter
from dba_cli.records import FailureRecord

from ..experiments.lab import DBA, config, planned

FAILURE = FailureRecord(
    experiment="exp", optimizer="dba", seed=2, config_hash="0" * 64, error="ValueError: no", traceback="",
    git_revision=None, failed_at="now",
)  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@contextmanager
def on_a_terminal(screen: Terminal) -> Iterator[Reporter]:
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(screen):
        patch.setenv("TERM", "xterm")
        with reporter(Path("results"), quiet=False) as display:
            yield display


def under_way(display: Reporter, number: int) -> list[PlannedRun]:
    """Return planned runs of 100 steps, announced as those of two experiments."""
    runs = planned(Path("results"), config(DBA, seeds=range(1, number + 1), steps=100))
    display.planned("exp", runs[:1], 0)
    display.planned("exp", runs[1:], 1)
    return runs


def shown(screen: Terminal) -> list[str]:
    """Return the lines last drawn."""
    text = re.sub(r"\x1b\[[0-9;?]*m", "", screen.getvalue())
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "\n", text)  # a new drawing begins where the cursor moves
    last = text.rpartition("runs over")
    return [line.strip() for line in (last[0].rpartition("\n")[2] + last[1] + last[2]).splitlines()]


def test_all_runs_have_a_bar_and_a_few_of_those_under_way(clock: list[float]) -> None:
    screen = Terminal()
    with on_a_terminal(screen) as display:
        for run in under_way(display, 8)[:6]:
            display.started(run)
    lines = shown(screen)
    assert lines[0].startswith("0 of 8 runs over")
    assert [line[:20] for line in lines if line.startswith("exp [")] == [
        f"exp [{k}/8] dba seed {k}" for k in (1, 2, 3, 4)
    ]
    assert any(line.startswith("and 2 more under way") for line in lines)
    screen = Terminal()
    with on_a_terminal(screen) as display:
        runs = under_way(display, 8)
        watchers = [display.started(run) for run in runs[:6]]
        clock[0] += 10
        watchers[0].step(60, 0.5)
        watchers[5].step(30, 0.5)
        display.failed(runs[1], FAILURE)
        display.elsewhere(runs[2])
    lines = shown(screen)
    # 190 steps in 10 s of 700, since those of the other process are none of ours.
    assert re.match(r"2 of 8 runs over, 1 failed +.* 27 s left", lines[0])
    assert [line[:20] for line in lines if line.startswith("exp [")] == [
        f"exp [{k}/8] dba seed {k}"
        for k in (1, 4, 5, 6)  # the hidden ones moved up
    ]
    assert not any("more under way" in line for line in lines)
    assert any(line.startswith("epoch") and "loss 0.5000" in line for line in lines)
    assert "dba: exp [2/8] dba seed 2: failed: ValueError: no" in screen.getvalue()
    assert "exp [3/8] dba seed 3: done by another process" in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (89, "89 s"), (91, "2 min"), (3 * 3600, "3.0 h"), (3 * 86400, "3.0 days")],
)
def test_the_time_left_in_words(clock: list[float], seconds: float, said: str) -> None:
    screen = Terminal()
    with on_a_terminal(screen) as display:
        one, _ = under_way(display, 2)
        display.started(one)
        clock[0] += seconds
        display.failed(one, FAILURE)
    assert re.match(rf"1 of 2 runs over, 1 failed +.* {said} left", shown(screen)[0])
