"""What a worker does, in this process or in another one: one run, under its lock, whatever happens."""

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import torch

from dba_cli.errors import UserError
from dba_cli.experiments._images import Images
from dba_cli.experiments._one_run import OneRun
from dba_cli.experiments._plan import Ended, PlannedRun, Settings, stamp
from dba_cli.experiments._progress_files import ProgressFile
from dba_cli.experiments._provenance import Provenance
from dba_cli.experiments._threads import threads, threads_for, threads_of_state
from dba_cli.experiments._trackers import tracked
from dba_cli.records import FailureRecord, RunRecord, locked
from dba_cli.training import Observer

_ERROR_LENGTH = 500


@dataclass(frozen=True)
class Session:
    """What all runs of a command have in common.

    ``watcher`` is the process that waits for the workers; Ctrl-C, which a terminal sends to every process,
    is for it alone, and it writes the ``stop_file`` then. ``desk`` is the folder for such messages.
    """

    settings: Settings
    provenance: Provenance
    desk: Path
    watcher: int

    @property
    def stop_file(self) -> Path:
        """Return the file whose presence tells every worker to stop."""
        return self.desk / "stop"

    def progress_file(self, run: PlannedRun) -> Path:
        """Return where a worker in another process notes how far the run is."""
        return self.desk / f"{run.number}.json"


def work(
    run: PlannedRun,
    session: Session,
    images: Images,
    watch: Callable[[], Observer],
    *,
    wait: bool = False,
) -> Ended:
    """Do ``run`` unless another process has it or had it; never raise an Exception.

    ``wait``: for another process that has it in hand.
    """
    _settle(session)
    revision = session.provenance.git_revision
    try:
        if session.stop_file.exists():
            return Ended(run.number, stopped=True)
        with locked(run.folder.path, wait=wait, until=session.stop_file.exists) as mine:
            if not mine:
                return Ended(run.number, elsewhere=True)
            other = _ended_elsewhere(run)
            if other is not None:
                return other
            try:
                return Ended(run.number, record=_train(run, session, images, watch()))
            except Exception as error:
                failure = failure_of(run, error, revision)
                with contextlib.suppress(UserError):  # a full disk fails the run, and then the note of it
                    run.folder.write_failure(failure)
                return Ended(run.number, failure=failure)
    except KeyboardInterrupt:
        if session.stop_file.exists():  # asked for by the watching process, which waits for the answer
            return Ended(run.number, stopped=True)
        raise
    except Exception as error:
        # No lock, or another config's record: there is nothing here that is ours to write to.
        return Ended(run.number, failure=failure_of(run, error, revision))


def work_and_tell(run: PlannedRun, session: Session, wait: bool) -> Ended:
    """Do ``run`` in a process of its own: read the images there, note its progress and its end."""
    progress = ProgressFile(session.progress_file(run), session.stop_file)
    end = work(run, session, _images_here(session.desk, session.settings.data_dir), progress.begin, wait=wait)
    progress.end(end)
    return end


def failure_of(run: PlannedRun, error: BaseException, revision: str | None) -> FailureRecord:
    """Return the record of ``error``."""
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return FailureRecord(
        experiment=run.experiment,
        optimizer=run.optimizer,
        seed=run.seed,
        config_hash=run.hash,
        error=" ".join(text.split())[:_ERROR_LENGTH],
        traceback="".join(traceback.format_exception(error)),
        git_revision=revision,
        failed_at=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def _train(run: PlannedRun, session: Session, images: Images, observer: Observer) -> RunRecord:
    settings = session.settings
    number = settings.fixed_threads or _chosen(run, session, images)
    with threads(number), tracked(run, settings.all_trackers, observer.notice) as trackers:
        here = session.provenance.here(settings.device)
        record = OneRun(run, images, here, settings.device, observer, *trackers).advance()
    assert record is not None
    return record


def _chosen(run: PlannedRun, session: Session, images: Images) -> int:
    # A run that was stopped goes on as it was begun: with other threads the bits are others.
    here = session.provenance.here(session.settings.device)
    before = threads_of_state(run.folder, run.hash, here.computed_on, torch.get_num_threads())
    return before or threads_for(run.config, images.of(run.config.data), session.settings.device)


def _settle(session: Session) -> None:
    """Make this process a worker of ``session``."""
    if os.getpid() != session.watcher and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _ended_elsewhere(run: PlannedRun) -> Ended | None:
    """Return how another process has ended the run since it was planned; its lock must be held."""
    if stamp(run.folder) not in (None, run.stamp):
        record = run.folder.read()
        if record is not None and record.config_hash != run.hash:
            raise UserError(f"{run.folder.path}: another process did a run of another config here meanwhile")
        if record is not None:
            return Ended(run.number, record=record, elsewhere=True)
    failure = run.folder.failure()
    if failure is not None and failure.config_hash == run.hash and failure != run.failure:
        return Ended(run.number, failure=failure, elsewhere=True)
    return None


@lru_cache(maxsize=1)
def _images_here(desk: Path, data_dir: Path) -> Images:
    """Return the images of the session with this ``desk``; those of another session are forgotten."""
    return Images(data_dir)
