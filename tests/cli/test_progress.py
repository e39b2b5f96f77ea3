"""The displays of runs under way."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from dba_cli.cli import _progress
from dba_cli.cli._progress import _ROWS, _Live
from dba_cli.records import FailureRecord

from ..experiments.lab import DBA, config, planned

TOTAL = 8


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> _Live:
    monkeypatch.setattr(_progress, "_REFRESH_SECONDS", 0.0)
    progress = _progress._progress()
    progress.live.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    return _Live(Path("results"), progress)


def shown(live: _Live) -> list[str]:
    return [task.description for task in live._progress.tasks if task.visible]


def test_all_runs_have_a_bar_and_a_few_of_those_under_way(live: _Live) -> None:
    runs = planned(Path("results"), config(DBA, seeds=range(1, TOTAL + 1), steps=100))
    live.planned("exp", runs, 0)
    observers = [live.started(run) for run in runs[:6]]
    assert shown(live) == ["0 of 8 runs over", *(f"exp [{k}/8] dba seed {k}" for k in range(1, _ROWS + 1))]
    whole = live._progress.tasks[0]
    assert (whole.completed, whole.total) == (0, 800)
    assert whole.fields["detail"] == "and 2 more under way"
    observers[0].step(60, 0.5)
    observers[5].step(30, 0.5)
    assert whole.completed == 90
    failure = FailureRecord(
        experiment="exp", optimizer="dba", seed=2, config_hash="0" * 64, error="ValueError: no", traceback="",
        git_revision=None, failed_at="now",
    )  # fmt: skip
    live.failed(runs[1], failure)
    live.elsewhere(runs[2])
    assert shown(live)[0] == "2 of 8 runs over, 1 failed"
    assert shown(live)[1:] == [f"exp [{k}/8] dba seed {k}" for k in (1, 4, 5, 6)]  # the hidden ones moved up
    assert (whole.completed, whole.total) == (190, 700)  # the other process's run is none of ours
    assert " left" in str(_progress._TimeLeft().render(whole))
