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
        print(f"dba: {line}", file=sys.stderr, flush=True)

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        self.pace.planned(todo)

    def started(self, run: PlannedRun) -> Observer:
        return _Silent(self.notice)

    def title(self, run: PlannedRun) -> str:
        return f"{run.experiment} [{run.number}/{self.pace.total}] {run.optimizer} seed {run.seed}"

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        if record.status == "diverged":
            self.notice(f"{self.title(run)}: diverged at step {record.diverged_at_step}; recorded as such")

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        self.notice(f"{self.title(run)}: failed: {failure.error}")


class _Lines(_Quiet):
    """One line per event on stdout."""

    def __init__(self, results: Path) -> None:
        super().__init__()
        self._results = results

    def say(self, line: str) -> None:
        print(line, flush=True)

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        super().planned(name, todo, done)
        self.say(_plan_line(name, len(todo), done, self._results))

    def started(self, run: PlannedRun) -> Observer:
        self.pace.started(run)
        return _LineObserver(self.notice, self.say, self.title(run), run)

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        super().finished(run, record)
        self.pace.ended(run)
        if record.final is not None:
            self.say(
                f"{self.title(run)}: {record.data.evaluated_on} accuracy {record.final.test_accuracy:.2%} "
                f"({record.durations.total:.1f} s{self._left()})"
            )

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        super().failed(run, failure)
        self.pace.ended(run, failed=True)

    def elsewhere(self, run: PlannedRun) -> None:
        self.pace.elsewhere(run)
        self.say(f"{self.title(run)}: done by another process")

    def _left(self) -> str:
        text = self.pace.time_left()
        return f"; {self.pace.over} of {self.pace.total} runs over, {text}" if text else ""


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
        super().started(run)
        if self._all is None and self.pace.total > 1:
            self._all = self._progress.add_task(
                "", total=self.pace.all_steps, detail=run.experiment, pace=self.pace
            )
        task = self._progress.add_task(
            self.title(run), total=run.timeline.steps, visible=len(self._tasks) < _ROWS, detail=""
        )
        self._tasks[run.number] = task
        self._show_all()
        return _BarObserver(self.notice, self._progress, task, run, self._stepped)

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
        task = self._tasks.pop(run.number, None)
        if task is not None:
            self._progress.remove_task(task)
        for shown in list(self._tasks.values())[:_ROWS]:
            self._progress.update(shown, visible=True)
        self._show_all()

    def _stepped(self, run: PlannedRun, step: int) -> None:
        self.pace.stepped(run, step)
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


class _Silent(Observer):
    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice

    def notice(self, line: str) -> None:
        self._notice(line)


class _LineObserver(_Silent):
    def __init__(
        self, notice: Callable[[str], None], say: Callable[[str], None], title: str, run: PlannedRun
    ) -> None:
        super().__init__(notice)
        self._say, self._title, self._run = say, title, run

    def evaluated(self, row: Evaluation) -> None:
        if row.step:
            self._say(f"{self._title}: {_detail(self._run, row.step, row.train_loss, row)}")


class _BarObserver(_Silent):
    def __init__(
        self,
        notice: Callable[[str], None],
        progress: Progress,
        task: TaskID,
        run: PlannedRun,
        stepped: Callable[[PlannedRun, int], None],
    ) -> None:
        super().__init__(notice)
        self._progress, self._task, self._run, self._stepped = progress, task, run, stepped
        self._last: Evaluation | None = None
        self._next = 0.0

    def step(self, step: int, loss: float) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _REFRESH_SECONDS
        self._progress.update(self._task, completed=step, detail=_detail(self._run, step, loss, self._last))
        self._stepped(self._run, step)

    def evaluated(self, row: Evaluation) -> None:
        self._last = row


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


def _plan_line(name: str, todo: int, done: int, results: Path) -> str:
    if not todo:
        return f"{name}: all {done} runs are already there in {results / name.partition(' ')[0]}"
    return f"{name}: {todo} runs to do" + (f", {done} already there" if done else "")
