"""What a worker does, in this process or in another one: one run, under its lock, whatever happens."""

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dba_cli.config import Config
from dba_cli.data import ImageData, load
from dba_cli.errors import UserError
from dba_cli.experiments._images import evaluation_samples
from dba_cli.experiments._plan import PlannedRun, stamp
from dba_cli.experiments._provenance import Provenance, device_record, versions
from dba_cli.experiments._record import PreparedRun
from dba_cli.experiments._single import do_run
from dba_cli.experiments._tensorboard import shown_on_tensorboard
from dba_cli.records import FailureRecord, RunRecord, discard_failure, locked, read_failure, write_failure
from dba_cli.training import Observer, TensorData, Timeline

_ERROR_LENGTH = 500


@dataclass(frozen=True)
class Job:
    """One run as a worker gets it: nothing but what can be pickled, and no images.

    ``watcher`` is the process that waits for the answer; Ctrl-C, which a terminal sends to every process,
    is for it alone, and it writes the ``stop_file`` then. ``desk`` is the folder for such messages.
    """

    number: int
    planned: PlannedRun
    indices: Tensor
    timeline: Timeline
    data_dir: Path
    device: torch.device
    provenance: Provenance
    desk: Path
    threads: int | None
    watcher: int
    tensorboard: bool = False
    wait: bool = False

    @property
    def stop_file(self) -> Path:
        """Return the file whose presence tells every worker to stop."""
        return self.desk / "stop"

    @property
    def progress_file(self) -> Path:
        """Return where the worker notes how far the run is."""
        return self.desk / f"{self.number}.json"


@dataclass(frozen=True)
class Ended:
    """How a job ended: with a record or a failure, or with neither where another process has the run.

    ``elsewhere``: the record or the failure is another process's. ``stopped``: it was told to.
    """

    number: int
    record: RunRecord | None = None
    failure: FailureRecord | None = None
    elsewhere: bool = False
    stopped: bool = False


def work(job: Job, watch: Callable[[], Observer]) -> Ended:
    """Do the run of ``job`` unless another process has it or had it; never raise an Exception."""
    settle(job)
    run = job.planned
    try:
        if job.stop_file.exists():
            return Ended(job.number, stopped=True)
        with locked(run.folder.path, wait=job.wait, until=job.stop_file.exists) as mine:
            if not mine:
                return Ended(job.number, elsewhere=True)
            other = ended_elsewhere(job)
            if other is not None:
                return other
            try:
                discard_failure(run.folder)
                with observed(job, watch()) as observer:
                    return Ended(job.number, record=do_run(*at_hand(job), observer))
            except Exception as error:
                return Ended(job.number, failure=_recorded(run, error, job.provenance.git_revision))
    except KeyboardInterrupt:
        if job.stop_file.exists():  # asked for by the watching process, which waits for the answer
            return Ended(job.number, stopped=True)
        raise
    except Exception as error:
        # No lock, or another config's record: there is nothing here that is ours to write to.
        return Ended(job.number, failure=failure_of(run, error, job.provenance.git_revision))


def settle(job: Job) -> None:
    """Make this process a worker for ``job``."""
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    if os.getpid() != job.watcher and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def observed(job: Job, observer: Observer) -> AbstractContextManager[Observer]:
    """Return what watches the run besides ``observer``."""
    return shown_on_tensorboard(job.planned.folder.path, observer, wanted=job.tensorboard)


def ended_elsewhere(job: Job) -> Ended | None:
    """Return how another process has ended the run since it was planned; its lock must be held.

    Raises:
        UserError: It was a run of another config.
    """
    run = job.planned
    done = _done_meanwhile(run)
    if done is not None:
        return Ended(job.number, record=done, elsewhere=True)
    failure = read_failure(run.folder)
    if failure is not None and failure.config_hash == run.hash and failure != run.failure:
        return Ended(job.number, failure=failure, elsewhere=True)
    return None


def failure_of(run: PlannedRun, error: BaseException, revision: str | None) -> FailureRecord:
    """Return the record of ``error``."""
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return FailureRecord(
        experiment=run.config.experiment.name,
        optimizer=run.optimizer,
        seed=run.seed,
        config_hash=run.hash,
        error=" ".join(text.split())[:_ERROR_LENGTH],
        traceback="".join(traceback.format_exception(error)),
        git_revision=revision,
        failed_at=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def _recorded(run: PlannedRun, error: Exception, revision: str | None) -> FailureRecord:
    failure = failure_of(run, error, revision)
    with contextlib.suppress(UserError):  # a full disk fails the run, and then the note of it
        write_failure(run.folder, failure)
    return failure


def _done_meanwhile(run: PlannedRun) -> RunRecord | None:
    """Return the record that another process wrote since this one planned."""
    if stamp(run.folder) in (None, run.stamp):
        return None
    record = run.folder.read()
    if record is not None and record.config_hash != run.hash:
        raise UserError(f"{run.folder.path}: another process did a run of another config here meanwhile")
    return record


def at_hand(job: Job) -> tuple[PreparedRun, TensorData, Provenance]:
    """Return the run with its images, the test data, and where a record of this process comes from."""
    config = job.planned.config
    data = _data(job)
    prepared = PreparedRun(job.planned, data, job.indices, job.timeline)
    # A worker on another machine says what it is computed on there.
    here = replace(job.provenance, versions=versions(), device=device_record(job.device))
    return prepared, _evaluation(job.desk, config, data, job.device), here


_loaded: dict[tuple[Path, str, str], ImageData] = {}
_tensors: dict[tuple[Path, str, torch.device], TensorData] = {}


def share_data(desk: Path, data: ImageData, dataset: str, source: str) -> None:
    """Keep ``data`` for the jobs of ``desk`` that this process does itself."""
    _forget_other_desks(desk)
    _loaded[desk, dataset, source] = data


def _data(job: Job) -> ImageData:
    """Return the images of a job: read once per process."""
    _forget_other_desks(job.desk)
    where = job.planned.config.data
    key = (job.desk, where.dataset, where.source)
    if key not in _loaded:
        _loaded[key] = load(where.dataset, where.source, job.data_dir, notify=lambda line: None)
    return _loaded[key]


def _evaluation(desk: Path, config: Config, data: ImageData, device: torch.device) -> TensorData:
    key = (desk, config.data.model_dump_json(exclude={"draw"}), device)
    if key not in _tensors:
        _tensors[key] = evaluation_samples(config.data, data, device)
    return _tensors[key]


def _forget_other_desks(desk: Path) -> None:
    caches: tuple[dict[Any, Any], ...] = (_loaded, _tensors)
    for cache in caches:
        for key in [key for key in tuple(cache) if key[0] != desk]:
            cache.pop(key, None)  # another thread may have been faster
