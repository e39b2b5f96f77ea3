"""What workers note, and what the watcher makes of it."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dba_cli.experiments import PlannedRun
from dba_cli.experiments._plan import Ended
from dba_cli.experiments._progress_files import DESKS, ProgressFile, Relay, open_desk
from dba_cli.experiments._worker import Session, failure_of, work_and_tell
from dba_cli.records import Evaluation
from dba_cli.training import Observer

from .lab import session_of

ROW = Evaluation(
    step=3,
    epoch=1.5,
    samples_processed=30,
    train_loss=None,
    test_loss=2.25,
    test_accuracy=0.5,
    test_errors=2000,
    fractions={"output": 0.25},
    seconds=0.1,
)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = session_of(tmp_path)
    session.desk.mkdir()
    return session


@pytest.fixture
def file(session: Session, run: PlannedRun) -> Path:
    return session.progress_file(run)


@pytest.fixture
def worker(session: Session, file: Path) -> ProgressFile:
    return ProgressFile(file, session.stop_file)


class Told(Observer):
    """Everything a relay passes on, in order."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def begin(self, run: PlannedRun) -> "Told":
        self.all.append("begun")
        return self

    def end(self, run: PlannedRun, end: Ended, observer: object) -> None:
        self.all.append((end, observer))

    def step(self, step: int, loss: float) -> None:
        self.all.append((step, loss))

    def evaluated(self, row: Evaluation) -> None:
        self.all.append(row)

    def relay(self) -> Relay:
        return Relay(self.begin, self.all.append, self.end, threading.Lock())


def test_a_run_is_followed_from_its_begin_to_its_end(
    run: PlannedRun, file: Path, worker: ProgressFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dba_cli.experiments._progress_files._SECONDS", 0.0)
    told = Told()
    relay = told.relay()
    relay.dispatched(run, file)
    relay.look()
    assert told.all == []
    worker.begin()
    worker.notice("a line")
    worker.evaluated(ROW)
    worker.step(4, 0.75)
    relay.look()
    assert told.all == ["a line", "begun", ROW, (4, 0.75)]
    relay.look()
    assert told.all[4:] == [(4, 0.75)]  # a row and a line once, the step as it is
    end = Ended(1, failure=failure_of(run, ValueError("ü"), None))
    worker.end(end)
    relay.look()
    relay.ended(end)  # as joblib hands it over in the end
    assert told.all[5:] == [(end, told)]


def test_a_worker_stops_where_it_is_told_to(
    run: PlannedRun, session: Session, worker: ProgressFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dba_cli.experiments._progress_files._SECONDS", 0.0)
    worker.step(1, 0.5)
    session.stop_file.touch()
    worker.evaluated(ROW)
    with pytest.raises(KeyboardInterrupt):
        worker.step(2, 0.5)
    assert work_and_tell(run, session, wait=False) == Ended(1, stopped=True)  # not begun at all
    assert not run.folder.path.exists()


def test_what_was_under_way_when_the_workers_died_is_known(
    run: PlannedRun, session: Session, file: Path, worker: ProgressFile
) -> None:
    told, other = Told(), replace(run, number=2)
    relay = told.relay()
    relay.dispatched(run, file)
    relay.dispatched(other, session.progress_file(other))
    worker.begin()
    assert relay.dropped() == [run]
    assert relay.dropped() == []
    relay.dispatched(run, file)
    relay.look()
    assert told.all == []  # what the dead one noted is gone


def test_a_damaged_or_missing_note_is_no_fault(
    run: PlannedRun, session: Session, file: Path, worker: ProgressFile
) -> None:
    told = Told()
    relay = told.relay()
    relay.dispatched(run, file)
    file.write_text('{"step": 3, "lo')
    relay.look()
    session.desk.rename(session.desk.with_name("gone"))
    relay.look()
    worker.begin()
    assert told.all == []


def test_desks_of_dead_processes_are_cleared_and_those_of_others_kept(tmp_path: Path) -> None:
    dead, mine = tmp_path / f"{DESKS}dead", tmp_path / f"{DESKS}mine"
    dead.mkdir()
    (dead / "1.json").touch()
    with open_desk(tmp_path / f"{DESKS}other"):
        with open_desk(mine):
            assert {path.name for path in tmp_path.iterdir()} == {mine.name, f"{DESKS}other"}
        assert {path.name for path in tmp_path.iterdir()} == {f"{DESKS}other"}
    assert list(tmp_path.iterdir()) == []
