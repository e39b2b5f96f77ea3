"""Progress across processes: a worker leaves its state in a small file, the watching process reads it.

Files and no queue: they are there for a worker on another machine too, neither a dead worker nor a dead
watcher can block the other, and joblib hands results over only when all of them are there.
"""

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dba_cli.experiments._work import Ended, Job, work
from dba_cli.records import Evaluation, FailureRecord, RunRecord, locked
from dba_cli.training import Observer

_SECONDS = 0.5

DESKS = ".jobs-"
"""How the names of the folders of these files begin."""


@contextmanager
def open_desk(desk: Path) -> Iterator[None]:
    """Make the folder of the files, and remove it in the end, with those that dead processes have left."""
    with locked(desk):
        for other in desk.parent.glob(f"{DESKS}*"):
            with locked(other) as dead:
                if dead:
                    shutil.rmtree(other, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(desk, ignore_errors=True)


def work_and_tell(job: Job) -> Ended:
    """Do ``job``, note its progress and its end, and return the end."""
    progress = ProgressFile(job)
    end = work(job, progress.begin)
    progress.end(end)
    return end


class ProgressFile(Observer):
    """An observer that writes down where its run is; it also hears when the run is to stop."""

    def __init__(self, job: Job) -> None:
        self._path, self._stop_file = job.progress_file, job.stop_file
        self._state: dict[str, Any] = {"step": 0, "loss": None, "row": None, "notices": [], "end": None}
        self._next = 0.0

    def begin(self) -> "ProgressFile":
        """Note that the run has begun."""
        self._write()
        return self

    def step(self, step: int, loss: float) -> None:
        """Note the step, about twice a second; raise KeyboardInterrupt when it is to be the last."""
        if time.monotonic() >= self._next:
            self._state |= {"step": step, "loss": loss}
            self._write()
            if self._stop_file.exists():
                raise KeyboardInterrupt

    def evaluated(self, row: Evaluation) -> None:
        """Keep the evaluation for the next note: there may be one after each step."""
        self._state |= {"step": row.step, "row": row.model_dump()}

    def notice(self, line: str) -> None:
        """Note a line that must be seen."""
        self._state["notices"].append(line)
        self._write()

    def end(self, end: Ended) -> None:
        """Note how the run ended."""
        self._state["end"] = asdict(end) | {
            "record": end.record and end.record.model_dump(mode="json"),
            "failure": end.failure and end.failure.model_dump(mode="json"),
        }
        self._write()

    def _write(self) -> None:
        self._next = time.monotonic() + _SECONDS
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        # Nothing rests on this file: it is not flushed to the disk, and a full disk does not fail the run.
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(self._state), encoding="utf-8")
            beside.replace(self._path)


class Relay:
    """Reads what the jobs under way have noted and passes it on, in a thread of its own.

    ``begin`` makes a job's observer, ``notify`` gets lines that must be seen, and ``end`` a job's end with
    its observer, None where the job was over before it was seen to begin. All are called with ``lock`` held.
    """

    def __init__(
        self,
        begin: Callable[[Job], Observer],
        notify: Callable[[str], None],
        end: Callable[[Ended, Observer | None], None],
        lock: threading.Lock,
    ) -> None:
        self._begin, self._notify, self._end, self._lock = begin, notify, end, lock
        self._jobs: dict[int, Job] = {}
        self._observers: dict[int, Observer] = {}
        self._rows: dict[int, int] = {}
        self._notices: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="dba-progress", daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def dispatched(self, job: Job) -> None:
        """Look at the job from now on."""
        with self._lock:
            self._jobs[job.number] = job

    def look(self) -> None:
        """Pass on what the jobs have noted."""
        with self._lock:
            for job in list(self._jobs.values()):
                self._look(job)

    def ended(self, end: Ended) -> None:
        """Pass on the end of a job unless its note was seen."""
        with self._lock:
            self._ended(end)

    def dropped(self) -> list[Job]:
        """Forget all jobs, whose workers are dead; return those that had begun."""
        with self._lock:
            begun = [job for job in self._jobs.values() if _read(job) is not None]
            self._jobs.clear()
            self._observers.clear()
        for job in begun:
            with contextlib.suppress(OSError):
                job.progress_file.unlink(missing_ok=True)
        return begun

    def _follow(self) -> None:
        while not self._over.wait(_SECONDS):
            self.look()

    def _look(self, job: Job) -> None:
        state = _read(job)
        if state is None:
            return
        heard = self._notices.get(job.number, 0)
        for line in state["notices"][heard:]:
            self._notify(line)
        self._notices[job.number] = len(state["notices"])
        if state["end"] is not None:
            self._ended(_end(state["end"]))
            return
        if job.number not in self._observers:
            self._observers[job.number] = self._begin(job)
        observer, row = self._observers[job.number], state["row"]
        if row is not None and self._rows.get(job.number) != row["step"]:
            self._rows[job.number] = row["step"]
            observer.evaluated(Evaluation(**row))
        if state["loss"] is not None:
            observer.step(state["step"], state["loss"])

    def _ended(self, end: Ended) -> None:
        if self._jobs.pop(end.number, None) is not None:
            self._end(end, self._observers.pop(end.number, None))


def _read(job: Job) -> Mapping[str, Any] | None:
    """Return what the job's worker last noted; None before it began."""
    try:
        state: Mapping[str, Any] = json.loads(job.progress_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state


def _end(noted: Mapping[str, Any]) -> Ended:
    record, failure = noted["record"], noted["failure"]
    return Ended(
        noted["number"],
        None if record is None else RunRecord.model_validate(record),
        None if failure is None else FailureRecord.model_validate(failure),
        noted["elsewhere"],
        noted["stopped"],
    )
