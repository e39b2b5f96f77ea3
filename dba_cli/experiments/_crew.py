"""Doing runs with workers until each has ended, whatever becomes of a worker.

Workers are this process, or processes of this machine or of a cluster; joblib is the one way to all of those.
"""

import contextlib
import logging
import socket
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from joblib import Parallel, delayed

from dba_cli.errors import UserError
from dba_cli.experiments._images import Images
from dba_cli.experiments._plan import Ended, PlannedRun, Reporter, Settings
from dba_cli.experiments._progress_files import Relay, open_desk
from dba_cli.experiments._resume import first_ctrl_c
from dba_cli.experiments._worker import Session, failure_of, work, work_and_tell
from dba_cli.records import locked
from dba_cli.training import Observer

_BARREN_DEATHS = 3  # of workers without any run in hand, before the fault is the machine's
_CONNECT_SECONDS = 10
_SELECTION = 4
"""A step that selects over one that does not, about: it orders runs, and decides nothing else."""

Pool = Callable[[Iterable[Any]], list[Any]]
"""Returns the results of ``delayed`` calls, which are taken when they are due."""


class WorkerDiedError(Exception):
    """The worker's process ended without a word."""


def do_runs(runs: Sequence[PlannedRun], session: Session, images: Images, reporter: Reporter) -> list[Ended]:
    """Do all runs and tell ``reporter``; return how each ended, in their order.

    Runs that another process has in hand are put off to the end and then waited for. Ctrl-C is passed on when
    every worker has stopped.
    """
    crew = _Crew(session, reporter)
    with contextlib.ExitStack() as stack:
        if session.settings.inside:
            do = partial(crew.do_here, images)
        else:
            runs = _longest_first(runs)
            do = partial(crew.do_elsewhere, stack.enter_context(pool_of(session.settings)))
        do(runs)
        # Each for itself: two processes that wait for more than one lock could wait for each other.
        left = [run for run in runs if run.number not in crew.ended]
        if left:
            reporter.notice(f"{_runs(len(left))} in the hands of another process: waiting")
            do(left, wait=True)
    return [crew.ended[run.number] for run in sorted(runs, key=lambda run: run.number)]


def _longest_first(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Return the runs so that short ones are left for the end, where a worker may wait for another's run."""

    def work(run: PlannedRun) -> int:
        entry = run.config.optimizers[0]
        batch = entry.batch_size or run.config.training.batch_size
        return run.timeline.steps * batch * (_SELECTION if entry.selects else 1)

    return sorted(runs, key=work, reverse=True)


class _Crew:
    def __init__(self, session: Session, reporter: Reporter) -> None:
        self._session, self._reporter = session, reporter
        self._lock = threading.Lock()
        self._stopping = False
        self.ended: dict[int, Ended] = {}

    def do_here(self, images: Images, runs: Sequence[PlannedRun], *, wait: bool = False) -> None:
        """Do one run after the other; those that another process has in hand stay out of ``ended``."""
        for run in runs:
            begin = partial(self._reporter.started, run)
            self._note(run, work(run, self._session, images, begin, wait=wait))

    def do_elsewhere(self, pool: Pool, runs: Sequence[PlannedRun], *, wait: bool = False) -> None:
        """Do them in other processes."""
        relay = Relay(self._reporter.started, self._reporter.notice, self._seen_to_end, self._lock)
        with open_desk(self._session.desk), relay, first_ctrl_c(self._stop):
            attempt = partial(self._attempt, pool, relay, wait)
            for run in self._all_at_once(runs, attempt, relay):
                # A dead worker takes its siblings along: alone, one shows whether it was the cause.
                error = attempt([run])
                if error is not None and run.number not in self.ended:
                    self._blame(run, error)
            if self._stopping:
                raise KeyboardInterrupt

    def _all_at_once(self, runs: Sequence[PlannedRun], attempt: Any, relay: Relay) -> list[PlannedRun]:
        """Do the runs; return those that were under way when a worker died."""
        left, suspects, barren = list(runs), list[PlannedRun](), 0
        while left and not self._stopping:
            error = attempt(left)
            if error is None:
                break
            begun = {run.number for run in relay.dropped()}
            left = [run for run in left if run.number not in self.ended]
            hit = [run for run in left if run.number in begun]
            barren = 0 if hit else barren + 1
            if barren == _BARREN_DEATHS:
                raise UserError(
                    f"the workers die before they begin a run ({type(error).__name__}: {str(error)[:200]}); "
                    "fewer --jobs need less memory"
                )
            self._reporter.notice(f"a worker died (out of memory?); {_runs(len(begun))} to be started again")
            suspects += hit
            left = [run for run in left if run not in hit]
        return suspects

    def _attempt(self, pool: Pool, relay: Relay, wait: bool, runs: Sequence[PlannedRun]) -> Exception | None:
        """Note how each run ends; return what broke the pool, if anything did."""
        try:
            ends = pool(self._calls(runs, relay, wait))
        except Exception as error:  # work() raises none
            relay.look()  # at the ends of runs that the broken pool has lost
            return error
        for end in ends:
            relay.ended(end)
        return None

    def _calls(self, runs: Sequence[PlannedRun], relay: Relay, wait: bool) -> Iterator[Any]:
        for run in runs:
            if self._stopping:
                return
            relay.dispatched(run, self._session.progress_file(run))
            yield delayed(work_and_tell)(run, self._session, wait)

    def _seen_to_end(self, run: PlannedRun, end: Ended, observer: Observer | None) -> None:
        if observer is None and not (end.elsewhere or end.stopped):
            self._reporter.started(run)  # over before the relay saw it
        self._note(run, end)

    def _note(self, run: PlannedRun, end: Ended) -> None:
        if end.stopped or (end.elsewhere and end.record is None and end.failure is None):
            return
        self.ended[run.number] = end
        if end.elsewhere:
            self._reporter.elsewhere(run)
        elif end.failure is not None:
            self._reporter.failed(run, end.failure)
        elif end.record is not None:
            self._reporter.finished(run, end.record)

    def _blame(self, run: PlannedRun, error: Exception) -> None:
        cause = WorkerDiedError(f"its worker died twice, killed or out of memory ({type(error).__name__})")
        failure = failure_of(run, cause, self._session.provenance.git_revision)
        with contextlib.suppress(Exception), locked(run.folder.path) as mine:
            if mine:
                run.folder.write_failure(failure)
        with self._lock:
            self._note(run, Ended(run.number, failure=failure))

    def _stop(self) -> None:
        """Pass Ctrl-C on to the workers, who save what they have."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._session.stop_file.touch()


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


@contextlib.contextmanager
def pool_of(settings: Settings) -> Iterator[Pool]:
    """Yield what does the calls; refuse a backend that is not installed, or a cluster that is not there."""
    jobs, backend = settings.jobs, settings.backend
    with _ray(jobs, settings.address) if backend == "ray" else contextlib.nullcontext(), _quiet_renewal():
        # One run a batch: joblib would else hold runs back to make batches of short ones.
        yield lambda calls: list(Parallel(n_jobs=jobs or -1, backend=backend, batch_size=1)(calls))


@contextlib.contextmanager
def _quiet_renewal() -> Iterator[None]:
    """Say nothing where loky renews a worker between two runs, as it does when its memory has grown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        yield


@contextlib.contextmanager
def _ray(jobs: int | None, address: str | None) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise UserError("--backend ray: Ray is not installed; pip install 'dba-cli[ray]'") from None
    if address is not None:
        _require_listener(address)
    # On a machine of its own Ray is given the workers that were asked for; a cluster knows its cores.
    size = {"num_cpus": jobs, "include_dashboard": False} if address is None else {"address": address}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray about itself, at its start
        try:
            ray.init(**size, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"--address {address}: no Ray cluster there ({str(error)[:200]})") from None
    try:
        register_ray()
        yield
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return  # "auto", say
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--address {address}: no Ray cluster there ({error})") from None
