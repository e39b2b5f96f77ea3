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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from dba_cli.experiments._plan import Ended, PlannedRun
from dba_cli.records import Evaluation, locked
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


class _Note(BaseModel):
    """How far a run is, and what is to be said of it."""

    step: int = 0
    loss: float | None = None
    evaluation: Evaluation | None = None
    notices: list[str] = []
    end: Ended | None = None


class ProgressFile(Observer):
    """An observer that writes down where its run is; it also hears when the run is to stop."""

    def __init__(self, path: Path, stop_file: Path) -> None:
        self._path, self._stop_file = path, stop_file
        self._note = _Note()
        self._next = 0.0

    def begin(self) -> "ProgressFile":
        """Note that the run has begun."""
        self._write()
        return self

    def step(self, step: int, loss: float) -> None:
        """Note the step, about twice a second; raise KeyboardInterrupt when it is to be the last."""
        if time.monotonic() >= self._next:
            self._note.step, self._note.loss = step, loss
            self._write()
            if self._stop_file.exists():
                raise KeyboardInterrupt

    def evaluated(self, evaluation: Evaluation) -> None:
        """Keep the evaluation for the next note: there may be one after each step."""
        self._note.step, self._note.evaluation = evaluation.step, evaluation

    def notice(self, line: str) -> None:
        """Note a line that must be seen."""
        self._note.notices.append(line)
        self._write()

    def end(self, end: Ended) -> None:
        """Note how the run ended."""
        self._note.end = end
        self._write()

    def _write(self) -> None:
        self._next = time.monotonic() + _SECONDS
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        # Nothing rests on this file: it is not flushed to the disk, and a full disk does not fail the run.
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(self._note.model_dump()), encoding="utf-8")
            beside.replace(self._path)


class Relay:
    """Reads what the runs under way have noted and passes it on, in a thread of its own.

    ``begin`` makes a run's observer, ``notify`` gets lines that must be seen, and ``end`` a run's end with
    its observer, None where the run was over before it was seen to begin. All are called with ``lock`` held.
    """

    def __init__(
        self,
        begin: Callable[[PlannedRun], Observer],
        notify: Callable[[str], None],
        end: Callable[[PlannedRun, Ended, Observer | None], None],
        lock: threading.Lock,
    ) -> None:
        self._begin, self._notify, self._end, self._lock = begin, notify, end, lock
        self._followed: dict[int, _Followed] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="dba-progress", daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def dispatched(self, run: PlannedRun, file: Path) -> None:
        """Look at the run's file from now on."""
        with self._lock:
            self._followed[run.number] = _Followed(run, file)

    def look(self) -> None:
        """Pass on what the runs have noted."""
        with self._lock:
            for each in list(self._followed.values()):
                self._look(each)

    def ended(self, end: Ended) -> None:
        """Pass on the end of a run unless its note was seen."""
        with self._lock:
            self._ended(end)

    def dropped(self) -> list[PlannedRun]:
        """Forget all runs, whose workers are dead; return those that had begun."""
        with self._lock:
            begun = [each for each in self._followed.values() if _read(each.file) is not None]
            self._followed.clear()
        for each in begun:
            with contextlib.suppress(OSError):
                each.file.unlink(missing_ok=True)
        return [each.run for each in begun]

    def _follow(self) -> None:
        while not self._over.wait(_SECONDS):
            self.look()

    def _look(self, each: "_Followed") -> None:
        note = _read(each.file)
        if note is None:
            return
        for line in note.notices[each.notices :]:
            self._notify(line)
        each.notices = len(note.notices)
        if note.end is not None:
            self._ended(note.end)
            return
        if each.observer is None:
            each.observer = self._begin(each.run)
        if note.evaluation is not None and each.step != note.evaluation.step:
            each.step = note.evaluation.step
            each.observer.evaluated(note.evaluation)
        if note.loss is not None:
            each.observer.step(note.step, note.loss)

    def _ended(self, end: Ended) -> None:
        each = self._followed.pop(end.number, None)
        if each is not None:
            self._end(each.run, end, each.observer)


@dataclass
class _Followed:
    """A run under way elsewhere, and how much of what it noted has been passed on."""

    run: PlannedRun
    file: Path
    observer: Observer | None = None
    step: int | None = None
    notices: int = 0


def _read(file: Path) -> _Note | None:
    """Return what the run's worker last noted; None before it began."""
    try:
        return _Note.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
