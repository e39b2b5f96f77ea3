"""Seeds trained as one computation: the single runs' records but for rounding, and nothing lost."""

from pathlib import Path
from typing import Any

import pytest

from dba_cli.experiments import _stack
from dba_cli.records import RunFolder, RunRecord, locked

from .lab import ADAM, DBA, SGD, Reporter, config, do, history, timeless

SEEDS = [0, 1, 2, 3, 4]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def alike(one: RunRecord, other: RunRecord) -> bool:
    """Whether two records differ in nothing but times, the stack and rounding."""
    free = {"durations", "stack", "final"}
    assert one.final is not None
    assert other.final is not None
    final, close = one.final.model_dump(exclude_none=True), other.final.model_dump(exclude_none=True)
    same = one.model_dump(exclude=free) == other.model_dump(exclude=free)
    return same and final == pytest.approx(close, rel=1e-4, abs=0)


@pytest.mark.parametrize("jobs", [None, 2])
def test_records_are_those_of_single_runs_but_for_rounding(tmp_path: Path, jobs: int | None) -> None:
    whole = config(
        SGD, DBA, ADAM, seeds=SEEDS, hidden=[100], schedule={"kind": "cosine"}, label_smoothing=0.1
    )
    singles = do(tmp_path / "single", whole, jobs=1)
    reporter = Reporter()
    stacked = do(tmp_path / "stack", whole, reporter=reporter, jobs=jobs or 1, stack=True)
    order = {(record.optimizer, record.seed): record for record in stacked}
    assert len(order) == len(singles) == 15
    assert all(alike(record, order[record.optimizer, record.seed]) for record in singles)
    assert {record.optimizer: record.stack for record in stacked} == {"sgd": 5, "dba": 5, "adam": 1}
    assert {record.stack for record in singles} == {1}
    assert sorted(reporter.runs) == sorted((name, seed) for name in ("adam", "dba", "sgd") for seed in SEEDS)
    for name in ("sgd", "dba"):
        runs = [tmp_path / kind / "exp" / name / "seed-3" for kind in ("single", "stack")]
        rows, others = (history(run) for run in runs)
        assert list(rows[0]) == list(others[0])
        assert [row["step"] for row in rows] == [row["step"] for row in others]
    assert not list((tmp_path / "stack").rglob(".*"))
    assert do(tmp_path / "stack", whole, stack=True) == []
    assert do(tmp_path / "stack", whole) == []  # nor is a single run wanted in its place


def test_what_does_not_pay_or_was_stopped_is_done_alone(results: Path) -> None:
    wide = do(results / "wide", config(SGD, seeds=SEEDS, hidden=[300]), stack=True)
    few = do(results / "few", config(SGD, seeds=[0, 1]), stack=True)
    traced = do(results / "traced", config(DBA, seeds=SEEDS, trace=True), stack=True)
    assert {record.stack for record in wide + few + traced} == {1}

    (results / "stopped" / "exp" / "dba" / "seed-1").mkdir(parents=True)
    (results / "stopped" / "exp" / "dba" / "seed-1" / "checkpoint-0123456789abcdef.pt").write_bytes(b"state")
    mixed = do(results / "stopped", config(DBA, seeds=[0, 1, 2]), stack=True)
    assert {record.seed: record.stack for record in mixed} == {0: 2, 1: 1, 2: 2}


def test_an_interrupted_stack_begins_anew_and_ends_the_same(tmp_path: Path) -> None:
    whole = config(DBA, seeds=SEEDS)
    do(tmp_path / "whole" / "results", whole, stack=True)
    interrupted = Reporter(interrupt=("dba", 4), at_step=5)
    with pytest.raises(KeyboardInterrupt):
        do(tmp_path / "cut" / "results", whole, reporter=interrupted, stack=True)
    assert not list(tmp_path.glob("cut/**/result.json"))
    assert not list(tmp_path.glob("cut/**/checkpoint*"))
    do(tmp_path / "cut" / "results", whole, stack=True)
    assert timeless(tmp_path / "cut" / "results") == timeless(tmp_path / "whole" / "results")


def test_a_fault_in_the_stack_costs_only_the_stack(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(_stack, "train_stacked", broken)
    reporter = Reporter()
    records = do(results, config(DBA, seeds=[0, 1]), reporter=reporter, stack=True)
    assert [record.stack for record in records] == [1, 1]
    assert reporter.failures == []
    assert reporter.runs == [("dba", 0), ("dba", 1)]  # announced once
    assert any("could not be trained as one (RuntimeError: a fault)" in line for line in reporter.notices)


def test_a_fault_after_some_records_keeps_them(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = RunFolder.write, []

    def full(folder: RunFolder, *arguments: Any) -> None:
        written.append(folder.path.name)
        if len(written) == 2:
            raise RuntimeError("full")
        write(folder, *arguments)

    monkeypatch.setattr(RunFolder, "write", full)
    reporter = Reporter()
    records = do(results, config(DBA, seeds=[0, 1, 2]), reporter=reporter, stack=True)
    assert [record.stack for record in records] == [3, 1, 1]
    assert written == ["seed-0", "seed-1", "seed-1", "seed-2"]
    assert reporter.others == []


def test_a_run_in_the_hands_of_another_process_stays_out_of_the_stack(results: Path) -> None:
    held = results / "exp" / "dba" / "seed-1"
    ended: list[RunRecord] = []

    class Releasing(Reporter):
        def notice(self, line: str) -> None:
            if "waiting" in line:
                lock.__exit__(None, None, None)

    lock = locked(held)
    assert lock.__enter__()
    ended = do(results, config(DBA, seeds=[0, 1, 2]), reporter=Releasing(), stack=True)
    assert {record.seed: record.stack for record in ended} == {0: 2, 1: 1, 2: 2}
