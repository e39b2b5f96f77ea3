"""The list of a sweep's points."""

from pathlib import Path

import pytest

from dba_cli.errors import UserError
from dba_cli.records import PointRecord, SweepRecord, add_to_sweep, read_sweep


def sweep(*names: str, experiment: str = "exp") -> SweepRecord:
    return SweepRecord(
        experiment=experiment,
        points=[PointRecord(name=name, values={"a.b": name, "c": [1]}) for name in names],
    )


def test_points_of_earlier_sweeps_stay(tmp_path: Path) -> None:
    assert read_sweep(tmp_path / "none") is None
    add_to_sweep(tmp_path / "new", sweep("one", "two"))
    add_to_sweep(tmp_path / "new", sweep("three", "two"))
    assert read_sweep(tmp_path / "new") == sweep("one", "two", "three")


def test_another_experiments_sweep_is_refused(tmp_path: Path) -> None:
    add_to_sweep(tmp_path, sweep("one"))
    with pytest.raises(UserError, match="holds a sweep of 'exp', not of 'other'; give another --name"):
        add_to_sweep(tmp_path, sweep("one", experiment="other"))
    assert read_sweep(tmp_path) == sweep("one")


def test_a_damaged_list_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"format": 1')
    with pytest.raises(UserError, match=r"sweep.json: damaged record: .*; delete it"):
        add_to_sweep(tmp_path, sweep("one"))
