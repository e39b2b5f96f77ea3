"""Training side by side: all optimizers of a seed, one evaluation period at a time."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from dba_cli.config import Config
from dba_cli.demo._progress import Curve, Progress
from dba_cli.errors import UserError
from dba_cli.experiments import OneRun, PlannedRun, Prepared, Reporter, Settings, prepare
from dba_cli.records import Evaluation, locked
from dba_cli.training import Observer

Watcher = Callable[[PlannedRun, Evaluation], None]


def train_side_by_side(
    config: Config,
    results: Path,
    progress: Progress,
    watcher: Watcher = lambda run, evaluation: None,
    refresh: Callable[[], None] = lambda: None,
) -> None:
    """Do the runs of ``config`` anew, all optimizers of a seed at once, and record them in ``results``.

    ``progress`` always says how far they are; ``watcher`` is told each evaluation, and ``refresh`` is
    called whenever there is something new to show.

    Raises:
        UserError: The folder cannot be written, holds finished runs of another config, or is in use.
        KeyboardInterrupt: Ctrl-C.
    """
    settings = Settings(results.parent, results, torch.device("cpu"))
    reporter = _Notices(progress)
    prepare([config], settings, reporter)  # Only what an earlier demo left may be replaced.
    prepared = prepare([config], replace(settings, overwrite=True), reporter)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small wait for each other's threads longer than they compute
    try:
        for seed in config.seeds:
            _train([run for run in prepared.runs if run.seed == seed], prepared, progress, watcher, refresh)
    finally:
        torch.set_num_threads(threads)


def _train(
    runs: list[PlannedRun],
    prepared: Prepared,
    progress: Progress,
    watcher: Watcher,
    refresh: Callable[[], None],
) -> None:
    """Train ``runs`` in turns."""
    session = prepared.session
    with ExitStack() as held:
        under_way = []
        for run in runs:
            if not held.enter_context(locked(run.folder.path)):
                raise UserError(f"{run.folder.path}: another process trains here; wait until it is over")
            curve = progress.curve(run.optimizer)
            curve.seed, curve.rows = run.seed, []
            observer = _CurveObserver(run, curve, watcher)
            device = session.settings.device
            one_run = OneRun(run, prepared.images, session.provenance, device, observer)
            under_way.append((run, one_run))
        turn = 0
        while under_way:
            for run, one_run in list(under_way):
                record = one_run.advance(turn and run.timeline.evaluation_period)
                if record is not None:
                    progress.curve(run.optimizer).ended(record)
                    under_way.remove((run, one_run))
                refresh()
            turn += 1


class _Notices(Reporter):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def notice(self, line: str) -> None:
        self._progress.notice = line


class _CurveObserver(Observer):
    def __init__(self, run: PlannedRun, curve: Curve, watcher: Watcher) -> None:
        self._run, self._curve, self._watcher = run, curve, watcher

    def evaluated(self, evaluation: Evaluation) -> None:
        self._curve.rows.append(evaluation)
        self._watcher(self._run, evaluation)
