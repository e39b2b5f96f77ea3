"""The estimate beside the run itself, and the arithmetic with a clock that the test turns."""

from pathlib import Path

import pytest
import torch

from dba_cli.config import Config
from dba_cli.inspection import time_table, view_config
from dba_cli.training import Training

from ..experiments.lab import DBA, EXPLODING, SGD, config
from .screen import lines


def times(whole: Config, tmp_path: Path) -> list[str]:
    """Return a line for each optimizer, and one for what is left."""
    view = view_config(whole, tmp_path / "no-data", tmp_path / "results", lambda line: None)
    return lines(time_table(view, tmp_path / "no-data", torch.device("cpu")))[3:]


def test_a_run_is_its_steps_and_its_evaluations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 2 s after two slow ones, evaluations of 30 s: thirty images in batches of ten."""
    seconds = {step: 2.0 * step + 98 for step in range(2, 1000)} | {0: 0.0, 1: 50.0}
    monkeypatch.setattr(Training, "seconds", property(lambda self: seconds[self.step]))
    monkeypatch.setattr(Training, "evaluation_seconds", property(lambda self: 30.0 * len(self.history)))
    whole = config(SGD, steps=None, epochs=50, batch_size=10, evaluation={"epochs": 3}, seeds=[0, 1])
    # 150 steps; an evaluation at 0, after every 9 steps (16 of them), and at the end: 150 * 2 + 18 * 30.
    assert times(whole, tmp_path) == [
        "sgd 14 min 00 s 10 timed steps 2",
        "Left to do, one run after the other: 28 min 00 s.",
    ]


def test_it_leaves_nothing_behind_and_times_each_optimizer(tmp_path: Path) -> None:
    sgd, dba, _ = times(config(SGD, DBA, seeds=[0, 1]), tmp_path)
    for line, name in ((sgd, "sgd"), (dba, "dba")):
        assert line.startswith(f"{name} ")
        assert line.endswith(" s 5 timed steps 2")  # of a run of seven
    assert list(tmp_path.iterdir()) == []


def test_slow_steps_end_the_measurement_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dba_cli.inspection._config._MAX_SECONDS", 0.0)
    assert "1 timed steps" in times(config(SGD, steps=100), tmp_path)[0]


def test_a_run_that_diverges_is_timed_up_to_there(tmp_path: Path) -> None:
    line, _ = times(config({"name": "gone", **EXPLODING}, steps=1000), tmp_path)
    assert line.startswith("gone ")
    assert "timed steps" in line
