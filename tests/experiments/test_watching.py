"""The history on the disk while a run goes on."""

import csv
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dba_cli.experiments import _one_run
from dba_cli.records import RunFolder

from .lab import DBA, Reporter, config, do, history


class Follower(Reporter):
    """Another terminal that looks at each evaluation."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.run, self.seen = run, list[list[int]]()

    def evaluated(self, row: object) -> None:
        with (self.run / "history.csv").open(newline="", encoding="utf-8") as file:
            self.seen.append([int(line["step"]) for line in csv.DictReader(file, strict=True)])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "results/exp/dba/seed-0"


def test_it_grows_with_each_evaluation(tmp_path: Path, run: Path) -> None:
    follower = Follower(run)
    do(tmp_path / "results", config(DBA, steps=9), reporter=follower)
    assert follower.seen == [[0], [0, 3], [0, 3, 6], [0, 3, 6, 9]]


def test_it_goes_on_with_the_run(tmp_path: Path, run: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        do(tmp_path / "results", config(DBA, steps=9), reporter=Reporter(("dba", 0), at_step=7))
    assert [row["step"] for row in history(run)] == ["0", "3", "6"]
    follower = Follower(run)
    do(tmp_path / "results", config(DBA, steps=9), reporter=follower)
    assert follower.seen == [[0, 3, 6, 9]]


def test_many_rows_are_not_all_written_each_time(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = RunFolder.write_history, []

    def slow(folder: RunFolder, rows: Sequence[dict[str, object]]) -> None:
        written.append(len(rows))
        time.sleep(0.2)
        write(folder, rows)

    monkeypatch.setattr(RunFolder, "write_history", slow)
    monkeypatch.setattr(_one_run, "_FEW_ROWS", 2)
    do(
        tmp_path / "results",
        config(DBA, steps=40, evaluation={"steps": 1}, draw={"per_class": 1}, batch_size=2),
    )
    assert written[:2] == [1, 2]
    assert len(written) < 20
    assert [row["step"] for row in history(run)] == [str(step) for step in range(41)]
