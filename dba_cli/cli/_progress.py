"""What a person sees while runs train: a live display on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from dba_cli.cli._options import notice
from dba_cli.experiments import PlannedRun, Reporter
from dba_cli.records import Evaluation, FailureRecord, RunRecord
from dba_cli.training import Observer

_REFRESH_SECONDS = 0.1
_SILENT_SECONDS = 30.0  # before a run under way says how far it is, where there is no terminal
_WIDEST = (
    52  # columns of the text beside a bar: a window that is narrowed to 80 leaves no ghosts of longer lines
)
_ROWS = 4  # runs that the live display shows at once; a cluster has more


@contextmanager
def reporter(results: Path, *, quiet: bool) -> Iterator[Reporter]:
    """Yield the display that fits stdout; warnings go to stderr with every one of them."""
    if sys.stdout.isatty() and not quiet:
        # Two lines for each, so that nothing is cut off at 80 columns.
        text = TextColumn(
            "{task.description}\n{task.fields[detail]}",
            table_column=Column(max_width=_WIDEST, no_wrap=True, overflow="ellipsis"),
        )
        bar = BarColumn(bar_width=12)
        with Progress(text, bar, _TimeLeft(), transient=True, redirect_stderr=False) as progress:
            yield _Live(results, progress)
    else:
        yield _Lines(results, quiet=quiet)


class _Lines(Reporter):
    """One line per event on stdout, or warnings only, and the count of what is over."""

    def __init__(self, results: Path, *, quiet: bool = False) -> None:
        self._results, self._quiet = results, quiet
        self._began: float | None = None
        self._said = time.monotonic()
        self._later = 0.0
        self._steps_under_way: dict[int, int] = {}
        self._steps_done = self._all_steps = 0
        self._total = self._over = self._failed = 0

    def notice(self, line: str) -> None:
        notice(line)

    def say(self, line: str) -> None:
        self._said = time.monotonic()
        if not self._quiet:
            print(line, flush=True)

    def stage(self, line: str, later: float) -> None:
        self._began, self._later, self._steps_under_way = None, later, {}
        self._steps_done = self._all_steps = self._total = self._over = self._failed = 0
        self.say(line)

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        self._total += len(todo)
        self._all_steps += sum(run.timeline.steps for run in todo)
        if todo:
            self.say(
                f"{name}: {len(todo)} {'run' if len(todo) == 1 else 'runs'} to do"
                + (f", {done} already there" if done else "")
            )
        else:
            there = "1 run is" if done == 1 else f"all {done} runs are"
            self.say(f"{name}: {there} already there in {self._results / name.partition(' ')[0]}")

    def started(self, run: PlannedRun) -> Observer:
        if self._began is None:
            self._began = time.monotonic()
        self._steps_under_way[run.number] = 0
        return _Watcher(self, run)

    def stepped(self, run: PlannedRun, step: int, loss: float, last: Evaluation | None) -> None:
        """A run has made a step after its ``last`` evaluation."""

    def evaluated(self, run: PlannedRun, row: Evaluation) -> None:
        """A run was evaluated after its first step or later."""
        if time.monotonic() - self._said >= _SILENT_SECONDS:
            self.say(f"{self.title(run)}: {_detail(run, row.step, row.train_loss, row)}")

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        self._steps_done += run.timeline.steps
        self.ended(run)
        if record.final is None:
            self.notice(f"{self.title(run)}: diverged at step {record.diverged_at_step}; recorded as such")
            return
        left = self.time_left()
        over = f"; {self._over} of {self._total} runs over, {left}" if left else ""
        where = record.data.evaluated_on.replace("_", " ")
        self.say(
            f"{self.title(run)}: {where} accuracy {record.final.test_accuracy:.2%} "
            f"({record.durations.total:.1f} s{over})"
        )

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        self._steps_done += run.timeline.steps  # its rest takes no time any more
        self._failed += 1
        self.ended(run)
        self.notice(f"{self.title(run)}: failed: {failure.error}")

    def elsewhere(self, run: PlannedRun) -> None:
        self._all_steps -= run.timeline.steps  # another process did it: nothing of our pace
        self.ended(run)
        self.say(f"{self.title(run)}: done by another process")

    def ended(self, run: PlannedRun) -> None:
        """A run is over, in whatever way."""
        self._steps_under_way.pop(run.number, None)
        self._over += 1

    def title(self, run: PlannedRun) -> str:
        return f"{run.experiment} [{run.number}/{self._total}] {run.optimizer} seed {run.seed}"

    @property
    def steps(self) -> int:
        """Return the steps made, by all runs."""
        return self._steps_done + sum(self._steps_under_way.values())

    def time_left(self) -> str:
        """Return how long the rest takes at the pace since the first run; blank before there is one."""
        if self._began is None or not self.steps or self._over >= self._total:
            return ""
        pace = (time.monotonic() - self._began) / self.steps
        seconds = pace * max(0, self._all_steps - self.steps) + self._later
        if seconds < 90:
            return f"{max(1, round(seconds))} s left"
        minutes = round(seconds / 60)
        if minutes < 90:
            return f"{minutes} min left"
        hours = minutes / 60
        return f"{hours:.1f} h left" if hours < 48 else f"{hours / 24:.1f} days left"


class _Watcher(Observer):
    """Tells the display what happens in a run; of its steps a few each second."""

    def __init__(self, display: _Lines, run: PlannedRun) -> None:
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
        if self._all is None and self._total > 1:
            self._all = self._progress.add_task("", total=None, detail="", time_left=self.time_left)
        self._tasks[run.number] = self._progress.add_task(
            self.title(run), total=run.timeline.steps, visible=len(self._tasks) < _ROWS, detail=""
        )
        watcher = super().started(run)
        self._show_all()
        return watcher

    def stepped(self, run: PlannedRun, step: int, loss: float, last: Evaluation | None) -> None:
        self._progress.update(self._tasks[run.number], completed=step, detail=_detail(run, step, loss, last))
        self._steps_under_way[run.number] = step
        self._show_all()

    def evaluated(self, run: PlannedRun, row: Evaluation) -> None:
        """The bar says it with the next step."""

    def ended(self, run: PlannedRun) -> None:
        super().ended(run)
        if run.number in self._tasks:
            self._progress.remove_task(self._tasks.pop(run.number))
        for shown in list(self._tasks.values())[:_ROWS]:
            self._progress.update(shown, visible=True)
        self._show_all()

    def _show_all(self) -> None:
        if self._all is None:
            return
        failed = f", {self._failed} failed" if self._failed else ""
        hidden = len(self._tasks) - _ROWS
        self._progress.update(
            self._all,
            completed=self.steps,
            total=self._all_steps,
            description=f"{self._over} of {self._total} runs over{failed}",
            detail=f"and {hidden} more under way" if hidden > 0 else "",
            visible=self._over < self._total,
        )


class _TimeLeft(TimeRemainingColumn):
    """Rich's estimate for a run, from its last seconds; for all of them the pace since the start."""

    def render(self, task: Task) -> Text:
        ours = task.fields.get("time_left")
        return super().render(task) if ours is None else Text(ours(), style="progress.remaining")


def _detail(run: PlannedRun, step: int, loss: float | None, row: Evaluation | None) -> str:
    per_epoch = run.timeline.steps_per_epoch
    epoch = f"epoch {step / per_epoch:.4g}/{run.timeline.steps / per_epoch:.4g}"
    accuracy = f"accuracy {row.test_accuracy:.2%}" if row is not None else ""
    return f"{epoch}  loss {loss:.4f}  {accuracy}" if loss is not None else epoch
