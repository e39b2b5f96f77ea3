"""Doing jobs with workers until each has ended, whatever becomes of a worker."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from joblib import delayed

from dba_cli.errors import UserError
from dba_cli.experiments._relay import Relay, open_desk, work_and_tell
from dba_cli.experiments._reporter import Reporter, RunLabel
from dba_cli.experiments._work import Ended, Job, failure_of, work
from dba_cli.experiments._workers import Pool, Workers
from dba_cli.records import locked, write_failure

_BARREN_DEATHS = 3  # of workers without any run in hand, before the fault is the machine's


class WorkerDiedError(Exception):
    """The worker's process ended without a word."""


def do_jobs(
    jobs: Sequence[Job], labels: dict[int, RunLabel], workers: Workers, reporter: Reporter
) -> list[Ended]:
    """Do all jobs and tell ``reporter``; return how each ended, in the order of their numbers.

    Runs that another process has in hand are put off to the end and then waited for.

    Raises:
        KeyboardInterrupt: Ctrl-C, when every worker has stopped.
    """
    crew = _Crew(labels, workers, reporter)
    with workers.pool() as pool:
        crew.do(jobs, pool)
        # Each for itself: two processes that wait for more than one lock could wait for each other.
        left = [replace(job, wait=True) for job in jobs if job.number not in crew.ended]
        if left:
            reporter.notice(f"{_runs(len(left))} in the hands of another process: waiting")
            crew.do(left, pool)
    return [crew.ended[job.number] for job in jobs]


class _Crew:
    def __init__(self, labels: dict[int, RunLabel], workers: Workers, reporter: Reporter) -> None:
        self._labels, self._workers, self._reporter = labels, workers, reporter
        self._lock = threading.Lock()
        self._stopping = False
        self.ended: dict[int, Ended] = {}

    def do(self, jobs: Sequence[Job], pool: Pool) -> None:
        """Do each job once; those that another process has in hand stay out of ``ended``."""
        if self._workers.inside:
            for job in jobs:
                self._note(work(job, partial(self._begin, job)), None)
            return
        first = jobs[0]
        relay = Relay(self._begin, self._reporter.notice, self._note, self._lock)
        with open_desk(first.desk), relay, self._ctrl_c(first.stop_file):
            for job in self._all_at_once(jobs, pool, relay):
                # A dead worker takes its siblings along: alone, one shows whether it was the cause.
                error = self._attempt([job], pool, relay)
                if error is not None:
                    self._blame(job, error)
            if self._stopping:
                raise KeyboardInterrupt

    def _all_at_once(self, jobs: Sequence[Job], pool: Pool, relay: Relay) -> list[Job]:
        """Do the jobs; return those that were under way when a worker died."""
        left, suspects, barren = list(jobs), list[Job](), 0
        while left and not self._stopping:
            error = self._attempt(left, pool, relay)
            if error is None:
                break
            begun = {job.number for job in relay.dropped()}
            left = [job for job in left if job.number not in self.ended]
            hit = [job for job in left if job.number in begun]
            barren = 0 if hit else barren + 1
            if barren == _BARREN_DEATHS:
                raise UserError(
                    f"the workers die before they begin a run ({type(error).__name__}: {str(error)[:200]}); "
                    "fewer --jobs need less memory"
                )
            self._reporter.notice(f"a worker died (out of memory?); {_runs(len(begun))} to be started again")
            suspects += hit
            left = [job for job in left if job not in hit]
        return suspects

    def _attempt(self, jobs: Sequence[Job], pool: Pool, relay: Relay) -> Exception | None:
        """Note how each job ends; return what broke the pool, if anything did."""
        try:
            ends = pool.results(self._calls(jobs, relay))
        except Exception as error:  # work() raises none
            relay.look()  # at the ends of runs that the broken pool has lost
            return error
        for end in ends:
            relay.ended(end)
        return None

    def _calls(self, jobs: Sequence[Job], relay: Relay) -> Iterator[Any]:
        for job in jobs:
            if self._stopping:
                return
            relay.dispatched(job)
            yield delayed(work_and_tell)(job)

    def _begin(self, job: Job) -> Any:
        return self._reporter.started(self._labels[job.number])

    def _note(self, end: Ended, observer: object | None) -> None:
        if end.stopped or (end.elsewhere and end.record is None and end.failure is None):
            return
        self.ended[end.number] = end
        label = self._labels[end.number]
        if end.elsewhere:
            self._reporter.elsewhere(label)
            return
        if observer is None and not self._workers.inside:
            self._reporter.started(label)  # over before the relay saw it
        if end.failure is not None:
            self._reporter.failed(label, end.failure)
        elif end.record is not None:
            self._reporter.finished(label, end.record)

    def _blame(self, job: Job, error: Exception) -> None:
        cause = WorkerDiedError(f"its worker died twice, killed or out of memory ({type(error).__name__})")
        failure = failure_of(job.planned, cause, job.provenance.git_revision)
        with contextlib.suppress(Exception), locked(job.planned.folder.path) as mine:
            if mine:
                write_failure(job.planned.folder, failure)
        with self._lock:
            self._note(Ended(job.number, failure=failure), self)

    @contextlib.contextmanager
    def _ctrl_c(self, stop_file: Path) -> Iterator[None]:
        """Turn the first Ctrl-C into a word to the workers, who save what they have; the second kills."""

        def stop(number: int, frame: object) -> None:
            if self._stopping:
                raise KeyboardInterrupt
            self._stopping = True
            with contextlib.suppress(OSError):
                stop_file.touch()

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
