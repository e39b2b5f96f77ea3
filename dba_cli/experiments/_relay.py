"""Progress across processes: a worker leaves its state in a small file, the watching process reads it.

A file in the run's folder and no queue: it is there for a worker on another machine too, and neither
a dead worker nor a dead watcher can block the other.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from dba_cli.experiments._work import Job, progress_file
from dba_cli.training import HistoryRow, Observer

_SECONDS = 0.5


class ProgressFile:
    """An observer that writes down where its run is; it also hears when the run is to stop."""

    def __init__(self, job: Job) -> None:
        self._path, self._stop_file = progress_file(job.planned), job.stop_file
        self._state: dict[str, Any] = {
            "session": job.session,
            "step": 0,
            "loss": None,
            "row": None,
            "notices": [],
        }
        self._next = 0.0
        self._write()

    def step(self, step: int, loss: float) -> None:
        """Note the step, about twice a second; raise KeyboardInterrupt when it is to be the last."""
        if time.monotonic() >= self._next:
            self._state |= {"step": step, "loss": loss}
            self._write()
            if self._stop_file.exists():
                raise KeyboardInterrupt

    def row(self, row: HistoryRow) -> None:
        """Note the evaluation."""
        self._state |= {"step": row.step, "row": asdict(row)}
        self._write()

    def notice(self, line: str) -> None:
        """Note a line that must be seen."""
        self._state["notices"].append(line)
        self._write()

    def _write(self) -> None:
        self._next = time.monotonic() + _SECONDS
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        # Nothing rests on this file: it is not flushed to the disk, and a full disk does not fail the run.
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(self._state), encoding="utf-8")
            beside.replace(self._path)


class Relay:
    """Reads what the jobs under way have noted and tells their observers, in a thread of its own.

    ``begin`` makes a job's observer, ``notify`` passes a line on; they are called, like the observers,
    with ``lock`` held.
    """

    def __init__(
        self, begin: Callable[[Job], Observer], notify: Callable[[str], None], lock: threading.Lock
    ) -> None:
        self._begin, self._notify, self._lock = begin, notify, lock
        self._jobs: dict[int, Job] = {}
        self._observers: dict[int, Observer] = {}
        self._rows: dict[int, int] = {}
        self._notices: dict[int, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="dba-progress", daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()

    def dispatched(self, job: Job) -> None:
        """Look at the job from now on."""
        with self._lock:
            self._jobs[job.number] = job

    def ended(self, number: int) -> Observer | None:
        """Look at the job no more (``lock`` is held); return its observer, if it was seen to start."""
        self._jobs.pop(number, None)
        return self._observers.pop(number, None)

    def under_way(self) -> list[Job]:
        """Return the jobs that a worker has begun, and that have not ended."""
        with self._lock:
            return [job for job in self._jobs.values() if _read(job) is not None]

    def _follow(self) -> None:
        while not self._end.wait(_SECONDS):
            with self._lock:
                for job in list(self._jobs.values()):
                    self._look(job)

    def _look(self, job: Job) -> None:
        state = _read(job)
        if state is None:
            return
        if job.number not in self._observers:
            self._observers[job.number] = self._begin(job)
        observer, row = self._observers[job.number], state["row"]
        heard = self._notices.get(job.number, 0)
        for line in state["notices"][heard:]:
            self._notify(line)
        self._notices[job.number] = len(state["notices"])
        if row is not None and self._rows.get(job.number) != row["step"]:
            self._rows[job.number] = row["step"]
            observer.row(HistoryRow(**row))
        if state["loss"] is not None:
            observer.step(state["step"], state["loss"])


def _read(job: Job) -> Mapping[str, Any] | None:
    """Return what the job's worker last noted; None before it began."""
    try:
        state = json.loads(progress_file(job.planned).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if state["session"] == job.session else None
