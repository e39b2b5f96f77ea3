"""The estimate beside the run itself, and the arithmetic with a clock that the test turns."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dba_cli.config import Config
from dba_cli.inspection import run_times, view_config
from dba_cli.training import Training

from ..experiments.lab import DBA, EXPLODING, SGD, config

CPU = torch.device("cpu")


def times(whole: Config, tmp_path: Path) -> Any:
    view = view_config(whole, tmp_path / "no-data", tmp_path / "results", lambda line: None)
    return run_times(view, tmp_path / "no-data", CPU)


def test_a_run_is_its_steps_and_its_evaluations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 2 s after two slow ones, evaluations of 30 s: thirty images in batches of ten."""
    seconds = {step: 2.0 * step + 98 for step in range(2, 1000)} | {0: 0.0, 1: 50.0}
    monkeypatch.setattr(Training, "seconds", property(lambda self: seconds[self.step]))
    monkeypatch.setattr(Training, "evaluation_seconds", property(lambda self: 30.0 * len(self.history)))
    (time,) = times(config(SGD, steps=None, epochs=50, batch_size=10, evaluation={"epochs": 3}), tmp_path)
    # 150 steps; an evaluation at 0, after every 9 steps (16 of them), and at the end.
    assert time.seconds == pytest.approx(150 * 2 + 18 * 30)
    assert (time.known_from, time.runs_to_do) == ("10 timed steps", 1)


def test_it_leaves_nothing_behind_and_times_each_optimizer(tmp_path: Path) -> None:
    found = times(config(SGD, DBA, seeds=[0, 1]), tmp_path)
    assert [(time.optimizer, time.runs_to_do, time.known_from) for time in found] == [
        ("sgd", 2, "5 timed steps"),  # of a run of seven
        ("dba", 2, "5 timed steps"),
    ]
    assert all(0 < time.seconds < 60 for time in found)
    assert list(tmp_path.iterdir()) == []


def test_slow_steps_end_the_measurement_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dba_cli.inspection._estimate._MAX_SECONDS", 0.0)
    (time,) = times(config(SGD, steps=100), tmp_path)
    assert time.known_from == "1 timed steps"


def test_a_run_that_diverges_is_timed_up_to_there(tmp_path: Path) -> None:
    (time,) = times(config({"name": "gone", **EXPLODING}, steps=1000), tmp_path)
    assert time.seconds > 0
