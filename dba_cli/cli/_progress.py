"""What a person sees while runs train: a live display on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dba_cli.cli._options import notice
from dba_cli.cli._pace import TotalProgress
from dba_cli.experiments import PlannedRun, Reporter
from dba_cli.records import Evaluation, FailureRecord, RunRecord
from dba_cli.training import Observer

_REFRESH_SECONDS = 0.1
_ROWS = 4  # runs that the live display shows at once; a cluster has more


@contextmanager
def reporter(results: Path, *, quiet: bool) -> Iterator[Reporter]:
    """Yield the display that fits stdout; warnings go to stderr with every one of them."""
    if quiet:
        yield _Quiet()
    elif sys.stdout.isatty():
        with _progress() as progress:
            yield _Live(results, progress)
    else:
        yield _Lines(results)


@contextmanager
def download_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Yield a callback for bytes done and in all; a bar per file on a terminal, silent elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks = {}

        def report(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield report


class _Quiet(Reporter):
    """Warnings only; also the base of the displays that say more."""

    def __init__(self) -> None:
        self.pace = TotalProgress()

    def notice(self, line: str) -> None:
        notice(line)

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        self.pace.planned(todo)

    def started(self, run: PlannedRun) -> Observer:
        self.pace.started(run)
        return _Watcher(self, run)

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        self.pace.ended(run)
        if record.status == "diverged":
            self.notice(f"{self.title(run)}: diverged at step {record.diverged_at_step}; recorded as such")

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        self.pace.ended(run, failed=True)
        self.notice(f"{self.title(run)}: failed: {failure.error}")

    def elsewhere(self, run: PlannedRun) -> None:
        self.pace.elsewhere(run)

    def title(self, run: PlannedRun) -> str:
        return f"{run.experiment} [{run.number}/{self.pace.total}] {run.optimizer} seed {run.seed}"

    def stepped(self, run: PlannedRun, step: int, loss: float, last: Evaluation | None) -> None:
        """A run has made a step after its ``last`` evaluation."""

    def evaluated(self, run: PlannedRun, row: Evaluation) -> None:
        """A run was evaluated after its first step or later."""


class _Watcher(Observer):
    """Tells the display what happens in a run; of its steps a few each second."""

    def __init__(self, display: _Quiet, run: PlannedRun) -> None:
        self._display, self._run = display, run
        self._last: Evaluation | None = None
        self._next = 0.0

    def notice(self, line: str) -> None:
        self._display.notice(line)

    def step(self, step: int, loss: float) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _REFRESH_SECONDS
            self._display.stepped(self._run, step, loss, self._last)

    def evaluated(self, row: Evaluation) -> None:
        self._last = row
        if row.step:
            self._display.evaluated(self._run, row)


class _Lines(_Quiet):
    """One line per event on stdout."""

    def __init__(self, results: Path) -> None:
        super().__init__()
        self._results = results

    def say(self, line: str) -> None:
        print(line, flush=True)

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        super().planned(name, todo, done)
        if todo:
            self.say(f"{name}: {len(todo)} runs to do" + (f", {done} already there" if done else ""))
        else:
            self.say(f"{name}: all {done} runs are already there in {self._results / name.partition(' ')[0]}")

    def evaluated(self, run: PlannedRun, row: Evaluation) -> None:
        self.say(f"{self.title(run)}: {_detail(run, row.step, row.train_loss, row)}")

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        super().finished(run, record)
        if record.final is not None:
            left = self.pace.time_left()
            over = f"; {self.pace.over} of {self.pace.total} runs over, {left}" if left else ""
            self.say(
                f"{self.title(run)}: {record.data.evaluated_on} accuracy {record.final.test_accuracy:.2%} "
                f"({record.durations.total:.1f} s{over})"
            )

    def elsewhere(self, run: PlannedRun) -> None:
        super().elsewhere(run)
        self.say(f"{self.title(run)}: done by another process")


class _Live(_Lines):
    """A bar for each run in progress and one for all of them; finished runs scroll up as lines."""

    def __init__(self, results: Path, progress: Progress) -> None:
        super().__init__(results)
        self._progress = progress
        self._all: TaskID | None = None
        self._tasks: dict[int, TaskID] = {}

    def notice(self, line: str) -> None:
        # The live display redirects stderr to itself; a warning must reach the real one.
        self._progress.console.print(f"dba: {line}", style="yellow", highlight=False, markup=False)

    def say(self, line: str) -> None:
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def started(self, run: PlannedRun) -> Observer:
        if self._all is None and self.pace.total > 1:
            self._all = self._progress.add_task("", total=None, detail="", pace=self.pace)
        self._tasks[run.number] = self._progress.add_task(
            self.title(run), total=run.timeline.steps, visible=len(self._tasks) < _ROWS, detail=""
        )
        watcher = super().started(run)
        self._show_all()
        return watcher

    def stepped(self, run: PlannedRun, step: int, loss: float, last: Evaluation | None) -> None:
        self._progress.update(self._tasks[run.number], completed=step, detail=_detail(run, step, loss, last))
        self.pace.stepped(run, step)
        self._show_all()

    def evaluated(self, run: PlannedRun, row: Evaluation) -> None:
        """The bar says it with the next step."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        super().finished(run, record)
        self._remove(run)

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        super().failed(run, failure)
        self._remove(run)

    def elsewhere(self, run: PlannedRun) -> None:
        super().elsewhere(run)
        self._remove(run)

    def _remove(self, run: PlannedRun) -> None:
        if run.number in self._tasks:
            self._progress.remove_task(self._tasks.pop(run.number))
        for shown in list(self._tasks.values())[:_ROWS]:
            self._progress.update(shown, visible=True)
        self._show_all()

    def _show_all(self) -> None:
        if self._all is None:
            return
        failed = f", {self.pace.failed} failed" if self.pace.failed else ""
        hidden = len(self._tasks) - _ROWS
        self._progress.update(
            self._all,
            completed=self.pace.steps,
            total=self.pace.all_steps,
            description=f"{self.pace.over} of {self.pace.total} runs over{failed}",
            detail=f"and {hidden} more under way" if hidden > 0 else "",
            visible=self.pace.over < self.pace.total,
        )


class _TimeLeft(TimeRemainingColumn):
    """Rich's estimate for a run, from its last seconds; for all of them the pace since the start."""

    def render(self, task: Task) -> Text:
        pace = task.fields.get("pace")
        return super().render(task) if pace is None else Text(pace.time_left(), style="progress.remaining")


def _progress() -> Progress:
    return Progress(
        # Two lines, so that nothing is cut off at 80 columns.
        TextColumn("{task.description}\n{task.fields[detail]}"),
        BarColumn(bar_width=12),
        _TimeLeft(),
        transient=True,
        redirect_stderr=False,
    )


def _detail(run: PlannedRun, step: int, loss: float | None, row: Evaluation | None) -> str:
    per_epoch = run.timeline.steps_per_epoch
    epoch = f"epoch {step / per_epoch:.4g}/{run.timeline.steps / per_epoch:.4g}"
    accuracy = f"accuracy {row.test_accuracy:.2%}" if row is not None else ""
    return f"{epoch}  loss {loss:.4f}  {accuracy}" if loss is not None else epoch
