"""Doing jobs with workers until each has ended, whatever becomes of a worker."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dba_cli.errors import UserError
from dba_cli.experiments._relay import ProgressFile, Relay
from dba_cli.experiments._report import Reporter, RunLabel
from dba_cli.experiments._work import Ended, Job, failure_of, progress_file, work
from dba_cli.experiments._workers import Pool, Workers
from dba_cli.records import locked, write_failure

_BARREN_DEATHS = 3  # of workers without any run in hand, before the fault is the machine's


class WorkerDiedError(Exception):
    """The worker's process ended without a word."""


def do_jobs(
    jobs: Sequence[Job], labels: dict[int, RunLabel], workers: Workers, reporter: Reporter
) -> list[Ended]:
    """Do ``jobs`` and tell ``reporter``; return how each ended, in the jobs' order.

    Runs that another process has in hand are put off to the end and then waited for.

    Raises:
        KeyboardInterrupt: Ctrl-C, when every worker has stopped.
    """
    crew = _Crew(labels, workers, reporter)
    with workers.pool() as pool:
        crew.do(jobs, pool)
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
        self._before: set[int] = set()  # what a worker may have done before it died
        self.ended: dict[int, Ended] = {}

    def do(self, jobs: Sequence[Job], pool: Pool) -> None:
        """Do each job once; those that another process has in hand stay out of ``ended``."""
        if self._workers.inside:
            for end in pool.results(self._calls(jobs, lambda job: partial(self._begin, job))):
                self._note(end, None)
            return
        with Relay(self._begin, self._reporter.notice, self._lock) as relay, self._ctrl_c(jobs[0].stop_file):
            for job in self._all_at_once(jobs, pool, relay):
                # A dead worker takes its siblings along: alone, a run shows whether it was the cause.
                error = self._attempt([job], pool, relay, set())
                if error is not None:
                    self._blame(job, relay, error)
            if self._stopping:
                raise KeyboardInterrupt

    def _all_at_once(self, jobs: Sequence[Job], pool: Pool, relay: Relay) -> list[Job]:
        """Do the jobs; return those that were under way when a worker died."""
        left, suspects, barren = list(jobs), list[Job](), 0
        while left:
            answered = set[int]()
            error = self._attempt(left, pool, relay, answered)
            if error is None:
                break
            hit = self._taken_back(relay)
            self._before |= {job.number for job in left} - answered
            barren = 0 if hit else barren + 1
            if barren == _BARREN_DEATHS:
                raise UserError(
                    f"the workers die before they begin a run ({type(error).__name__}: {str(error)[:200]}); "
                    "fewer --jobs need less memory"
                )
            self._reporter.notice(f"a worker died (out of memory?); {_runs(len(hit))} to be started again")
            suspects += hit
            left = [job for job in left if job.number not in answered and job not in hit]
        return suspects

    def _attempt(self, jobs: Sequence[Job], pool: Pool, relay: Relay, answered: set[int]) -> Exception | None:
        """Note how each job ends; return what broke the pool, if anything did."""
        try:
            for end in pool.results(
                self._calls(jobs, lambda job: partial(ProgressFile, job), relay.dispatched)
            ):
                answered.add(end.number)
                with self._lock:
                    self._note(end, relay.ended(end.number))
        except Exception as error:  # work() raises none
            return error
        return None

    def _calls(
        self,
        jobs: Sequence[Job],
        watch: Callable[[Job], Any],
        dispatched: Callable[[Job], None] | None = None,
    ) -> Iterator[Any]:
        from joblib import delayed

        for job in jobs:
            if self._stopping:
                return
            if dispatched is not None:
                dispatched(job)
            yield delayed(work)(job, watch(job))

    def _begin(self, job: Job) -> Any:
        return self._reporter.started(self._labels[job.number])

    def _note(self, end: Ended, observer: object | None) -> None:
        if end.stopped or (end.elsewhere and end.record is None and end.failure is None):
            return
        if end.number in self._before:
            end = replace(end, elsewhere=False)
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

    def _taken_back(self, relay: Relay) -> list[Job]:
        """Return the jobs that were under way, as if they had not begun."""
        hit = relay.under_way()
        for job in hit:
            with self._lock:
                relay.ended(job.number)
            with contextlib.suppress(OSError):
                progress_file(job.planned).unlink(missing_ok=True)
        return hit

    def _blame(self, job: Job, relay: Relay, error: Exception) -> None:
        cause = WorkerDiedError(f"its worker died twice, killed or out of memory ({type(error).__name__})")
        failure = failure_of(job.planned, cause, job.provenance.git_revision)
        self._taken_back(relay)
        with contextlib.suppress(Exception), locked(job.planned.folder.path) as mine:
            if mine:
                write_failure(job.planned.folder, failure)
        with self._lock:
            self._note(Ended(job.number, failure=failure), relay)

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
            with contextlib.suppress(OSError):
                stop_file.unlink(missing_ok=True)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
