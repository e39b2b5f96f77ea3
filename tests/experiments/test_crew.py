"""Runs in processes of their own: the same records, and nothing lost when a run or a worker dies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dba_cli.records import RunFolder

from .lab import ADAM, DBA, SGD, Reporter, config, do, result, timeless

# Told apart by marks in the folder of the module: a fault and a death that a person can mend.
OWN = """
import os, pathlib, signal
from dba_cli.method import register_metric

HERE = pathlib.Path(__file__).parent


@register_metric("faulty", larger_is_better=True)
def faulty(s):
    if (HERE / "fault").exists():
        raise ValueError("a fault\\nof two lines")
    return s.variance


@register_metric("deadly", larger_is_better=True)
def deadly(s):
    if (HERE / "deadly").exists():
        (HERE / "deadly").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (HERE / "always").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return s.variance
"""
FAULTY = {**DBA, "name": "faulty", "metric": "own_dying:faulty"}
DEADLY = {**DBA, "name": "deadly", "metric": "own_dying:deadly"}


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the module, on the path of workers that start from now on."""
    from joblib.externals.loky import get_reusable_executor

    folder = tmp_path_factory.mktemp("own")
    (folder / "own_dying.py").write_text(OWN, encoding="utf-8")
    get_reusable_executor().shutdown(wait=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(autouse=True)
def _no_mark_is_left(marks: Path) -> Iterator[None]:
    yield
    for name in ("fault", "deadly", "always"):
        (marks / name).unlink(missing_ok=True)


def test_two_jobs_leave_the_same_bits_as_one(tmp_path: Path) -> None:
    whole = config(seeds=[0, 1])
    one, two = Reporter(), Reporter()
    do(tmp_path / "one" / "results", whole, reporter=one, jobs=1)
    do(tmp_path / "two" / "results", whole, reporter=two, jobs=2)
    assert timeless(tmp_path / "one" / "results") == timeless(tmp_path / "two" / "results")
    assert len(list((tmp_path / "two").rglob("result.json"))) == 6
    # Nothing of locks and progress is left, and each run was announced once.
    assert not list((tmp_path / "two").rglob(".*"))
    assert sorted(two.runs) == sorted(one.runs)
    assert len(two.records) == 6
    assert do(tmp_path / "two" / "results", whole, jobs=2) == []


@pytest.mark.parametrize("jobs", [None, 2])
def test_a_failed_run_stops_no_other_and_is_retried_on_demand(
    results: Path, marks: Path, jobs: int | None
) -> None:
    (marks / "fault").touch()
    whole, reporter = config(FAULTY, SGD, seeds=[0, 1]), Reporter()
    records = do(results, whole, reporter=reporter, jobs=jobs)
    assert [record.optimizer for record in records] == ["sgd", "sgd"]
    assert [(each.optimizer, each.error) for each in reporter.failures] == [
        ("faulty", "ValueError: a fault of two lines")
    ] * 2
    failure = RunFolder(results / "exp" / "faulty" / "seed-1").failure()
    assert failure is not None
    assert "in faulty" in failure.traceback

    (marks / "fault").unlink()
    again = Reporter()
    assert do(results, whole, reporter=again, jobs=jobs) == []  # left alone
    assert again.runs == []
    retried = do(results, whole, jobs=jobs, retry_failed=True)
    assert [record.seed for record in retried] == [0, 1]
    assert not list(results.rglob("failure.json"))
    assert {result(path.parent)["status"] for path in results.rglob("result.json")} == {"finished"}


def test_a_failure_of_another_config_does_not_stand(results: Path, marks: Path) -> None:
    (marks / "fault").touch()
    do(results, config(FAULTY))
    (marks / "fault").unlink()
    assert len(do(results, config({**FAULTY, "min_fraction": 0.5}))) == 1


def test_a_killed_worker_costs_no_run(tmp_path: Path, marks: Path) -> None:
    whole = config(DEADLY, SGD, seeds=[0, 1])
    do(tmp_path / "undisturbed" / "results", whole, jobs=2)
    (marks / "deadly").touch()
    reporter = Reporter()
    do(tmp_path / "killed" / "results", whole, reporter=reporter, jobs=2)
    assert not (marks / "deadly").exists()
    assert reporter.failures == []
    assert any("a worker died" in line for line in reporter.notices)
    assert timeless(tmp_path / "killed" / "results") == timeless(tmp_path / "undisturbed" / "results")


def test_a_run_that_kills_its_worker_twice_has_failed(results: Path, marks: Path) -> None:
    (marks / "always").touch()
    reporter = Reporter()
    records = do(results, config(SGD, DEADLY, ADAM), reporter=reporter, jobs=2)
    assert sorted(each.optimizer for each in records) == ["adam", "sgd"]
    assert [each.optimizer for each in reporter.failures] == ["deadly"]
    assert "its worker died twice" in reporter.failures[0].error
    assert reporter.others == []
    assert RunFolder(results / "exp" / "deadly" / "seed-0").failure() is not None
