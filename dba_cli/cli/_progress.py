"""What a person sees while runs train: a live display on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from dba_cli.experiments import Reporter, RunLabel
from dba_cli.records import RunRecord
from dba_cli.training import HistoryRow, Observer

_REFRESH_SECONDS = 0.1


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


class _Quiet:
    """Warnings only; also the base of the displays that say more."""

    def notice(self, line: str) -> None:
        print(f"dba: {line}", file=sys.stderr, flush=True)

    def planned(self, experiment: str, todo: int, done: int) -> None:
        """Say nothing."""

    def started(self, label: RunLabel) -> Observer:
        return _Silent()

    def finished(self, label: RunLabel, record: RunRecord) -> None:
        if record.status == "diverged":
            self.notice(f"{_title(label)}: diverged at step {record.diverged_at_step}; recorded as such")


class _Lines(_Quiet):
    """One line per event on stdout."""

    def __init__(self, results: Path) -> None:
        self._results = results

    def say(self, line: str) -> None:
        print(line, flush=True)

    def planned(self, experiment: str, todo: int, done: int) -> None:
        self.say(_plan_line(experiment, todo, done, self._results))

    def started(self, label: RunLabel) -> Observer:
        return _LineObserver(self.say, label)

    def finished(self, label: RunLabel, record: RunRecord) -> None:
        super().finished(label, record)
        if record.final is not None:
            self.say(
                f"{_title(label)}: test accuracy {record.final.test_accuracy:.2%} "
                f"({record.durations.total:.1f} s)"
            )


class _Live(_Lines):
    """A bar for the run in progress; finished runs scroll up as lines."""

    def __init__(self, results: Path, progress: Progress) -> None:
        super().__init__(results)
        self._progress = progress
        self._task = progress.add_task("", visible=False, total=None, detail="")

    def notice(self, line: str) -> None:
        # The live display redirects stderr to itself; a warning must reach the real one.
        self._progress.console.print(f"dba: {line}", style="yellow", highlight=False, markup=False)

    def say(self, line: str) -> None:
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def started(self, label: RunLabel) -> Observer:
        self._progress.reset(
            self._task, description=_title(label), total=label.timeline.steps, visible=True, detail=""
        )
        return _BarObserver(self._progress, self._task, label)

    def finished(self, label: RunLabel, record: RunRecord) -> None:
        super().finished(label, record)
        if label.number == label.total:
            self._progress.update(self._task, visible=False)


class _Silent:
    def step(self, step: int, loss: float) -> None:
        """Say nothing."""

    def row(self, row: HistoryRow) -> None:
        """Say nothing."""


class _LineObserver(_Silent):
    def __init__(self, say: Callable[[str], None], label: RunLabel) -> None:
        self._say, self._label = say, label

    def row(self, row: HistoryRow) -> None:
        if row.step:
            self._say(f"{_title(self._label)}: {_detail(self._label, row.step, row.train_loss, row)}")


class _BarObserver:
    def __init__(self, progress: Progress, task: "object", label: RunLabel) -> None:
        self._progress, self._task, self._label = progress, task, label
        self._last: HistoryRow | None = None
        self._next = 0.0

    def step(self, step: int, loss: float) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _REFRESH_SECONDS
        detail = _detail(self._label, step, loss, self._last)
        self._progress.update(self._task, completed=step, detail=detail)  # type: ignore[arg-type]

    def row(self, row: HistoryRow) -> None:
        self._last = row


def _progress() -> Progress:
    return Progress(
        # Two lines, so that nothing is cut off at 80 columns.
        TextColumn("{task.description}\n{task.fields[detail]}"),
        BarColumn(bar_width=12),
        TimeRemainingColumn(),
        transient=True,
        redirect_stderr=False,
    )


def _title(label: RunLabel) -> str:
    return f"{label.experiment} [{label.number}/{label.total}] {label.optimizer} seed {label.seed}"


def _detail(label: RunLabel, step: int, loss: float | None, row: HistoryRow | None) -> str:
    per_epoch = label.timeline.steps_per_epoch
    epoch = f"epoch {step / per_epoch:.4g}/{label.timeline.steps / per_epoch:.4g}"
    accuracy = f"accuracy {row.test_accuracy:.2%}" if row is not None else ""
    return f"{epoch}  loss {loss:.4f}  {accuracy}" if loss is not None else epoch


def _plan_line(experiment: str, todo: int, done: int, results: Path) -> str:
    if not todo:
        return f"{experiment}: all {done} runs are already there in {results / experiment}"
    return f"{experiment}: {todo} runs to do" + (f", {done} already there" if done else "")
