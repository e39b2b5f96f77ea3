"""Training side by side: each optimizer in a thread of its own, one evaluation period at a time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dba_cli.config import Config
from dba_cli.demo._progress import Progress
from dba_cli.demo._turns import StoppedError, Turns
from dba_cli.errors import UserError
from dba_cli.experiments import Reporter, RunLabel, Selectors, Settings, plan, run_experiments
from dba_cli.records import Evaluation, FailureRecord, RunRecord
from dba_cli.training import Observer

# A thread that has not come to its first evaluation by then does not hold up the others.
_START_SECONDS = 20.0
_LOOK_SECONDS = 0.1

Watcher = Callable[[RunLabel, Evaluation], None]


def train_side_by_side(
    config: Config,
    results: Path,
    progress: Progress,
    watcher: Watcher = lambda label, row: None,
    refresh: Callable[[], None] = lambda: None,
) -> None:
    """Do the runs of ``config`` anew, all optimizers of a seed at once, and record them in ``results``.

    ``progress`` always says how far they are; ``watcher`` is told each evaluation, and ``refresh`` is
    called in this thread about ten times a second.

    Raises:
        UserError: The folder cannot be written, or holds finished runs of another config.
        KeyboardInterrupt: Ctrl-C; no thread is left.
    """
    # Only what an earlier demo left may be replaced.
    plan(config, config.data.source, results, Selectors(), overwrite=False)
    turns = Turns()
    settings = [
        Settings(results.parent, results, torch.device("cpu"), Selectors([entry.name]), overwrite=True)
        for entry in config.optimizers
    ]
    trainers = [
        _Trainer(number, turns, config, each, progress, watcher) for number, each in enumerate(settings)
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small wait for each other's threads longer than they compute
    try:
        for trainer in trainers:
            trainer.start()
        turns.open()
        while any(trainer.thread.is_alive() for trainer in trainers):
            refresh()
            time.sleep(_LOOK_SECONDS)
    finally:
        turns.stop()
        for trainer in trainers:
            trainer.thread.join()
        torch.set_num_threads(threads)
    refresh()
    for trainer in trainers:
        if trainer.fault is not None:
            raise trainer.fault


@dataclass
class _Trainer(Reporter, Observer):
    """One optimizer's thread; its runs report to it."""

    number: int
    turns: Turns
    config: Config
    settings: Settings
    progress: Progress
    watcher: Watcher
    fault: Exception | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    _label: RunLabel | None = None

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._work, name=f"demo-{self.number}", daemon=True)

    def start(self) -> None:
        """Start, and return when the first network is made: no two are, at a time."""
        self.thread.start()
        self.ready.wait(_START_SECONDS)

    def _work(self) -> None:
        try:
            run_experiments([self.config], self.settings, self)
        except StoppedError:
            pass
        except Exception as error:
            self.fault = error
        finally:
            self.turns.leave(self.number)
            self.ready.set()

    def notice(self, line: str) -> None:
        self.progress.notice = line

    def started(self, label: RunLabel) -> "_Trainer":
        self._label = label
        curve = self.progress.curve(label.optimizer)
        curve.seed, curve.rows = label.seed, []
        return self

    def finished(self, label: RunLabel, record: RunRecord) -> None:
        curve = self.progress.curve(label.optimizer)
        if record.final is None:
            curve.diverged += 1
        else:
            curve.finals.append(record.final.test_accuracy)

    def failed(self, label: RunLabel, failure: FailureRecord) -> None:
        self.fault = UserError(f"{label.optimizer} seed {label.seed}: {failure.error}")

    def evaluated(self, row: Evaluation) -> None:
        assert self._label is not None
        self.progress.curve(self._label.optimizer).rows.append(row)
        self.watcher(self._label, row)
        if not self.ready.is_set():
            self.turns.join(self.number)
            self.ready.set()
            self.turns.wait(self.number)
        else:
            self.turns.give(self.number)
