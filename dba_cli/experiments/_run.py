"""Doing every run that the configs name, once."""

import contextlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from dba_cli.config import Config
from dba_cli.data import ImageData, load
from dba_cli.errors import UserError
from dba_cli.experiments._images import drawn
from dba_cli.experiments._jobs import do_jobs
from dba_cli.experiments._plan import PlannedRun, Selectors, plan
from dba_cli.experiments._provenance import Provenance
from dba_cli.experiments._relay import DESKS
from dba_cli.experiments._reporter import Reporter, RunLabel
from dba_cli.experiments._single import check_runs
from dba_cli.experiments._tensorboard import require_tensorboard
from dba_cli.experiments._work import Job, share_data
from dba_cli.experiments._workers import Workers
from dba_cli.records import (
    ExperimentFolder,
    ExperimentRecord,
    FailureRecord,
    RunFolder,
    RunRecord,
    SweepRecord,
    add_to_sweep,
    ensure_writable,
)
from dba_cli.training import Timeline


@dataclass(frozen=True)
class Settings:
    """Where things are, who works, and what may be replaced."""

    data_dir: Path
    results: Path
    device: torch.device
    selectors: Selectors = field(default_factory=Selectors)
    overwrite: bool = False
    retry_failed: bool = False
    workers: Workers = field(default_factory=Workers)
    tensorboard: bool = False


@dataclass(frozen=True)
class Summary:
    """What a command did: new records, and the failures of its runs, old ones that stand included."""

    records: list[RunRecord]
    failures: list[FailureRecord]


@dataclass(frozen=True)
class _Experiment:
    record: ExperimentRecord
    data: ImageData
    todo: list[PlannedRun]
    done: int
    failed: list[FailureRecord]


def run_experiments(
    configs: Sequence[Config], settings: Settings, reporter: Reporter, sweep: SweepRecord | None = None
) -> Summary:
    """Do every run that the configs name and that is not done; those of a ``sweep`` are announced as one.

    Everything that can be refused is refused before the first run starts. A run that ends in an
    exception is recorded as failed; it is left alone from then on unless failed runs are retried.

    Raises:
        UserError: Bad data, an impossible draw, a changed config, an unwritable folder, no TensorBoard.
    """
    if settings.tensorboard:
        require_tensorboard()
    ensure_writable(settings.results)
    sources = _Sources(settings.data_dir, reporter.notice)
    experiments = [_planned(config, sources, settings) for config in configs]
    for experiment in experiments:
        for run in experiment.todo:
            ensure_writable(run.folder.path)

    if sweep is not None:
        add_to_sweep(settings.results, sweep)
    _announce(experiments, reporter, None if sweep is None else settings.results.name)
    for experiment in experiments:
        ExperimentFolder(settings.results / experiment.record.name).write_plan(experiment.record)
    failures = [failure for experiment in experiments for failure in experiment.failed]
    if not any(experiment.todo for experiment in experiments):
        return Summary([], failures)
    # Absolute, like everything in a job, since a worker may start in another folder.
    desk = settings.results.absolute() / f"{DESKS}{uuid.uuid4().hex}"
    sources.share(desk)
    jobs, labels = _jobs(experiments, settings, desk)
    ends = do_jobs(jobs, labels, settings.workers, reporter)
    for experiment in experiments:
        folder = ExperimentFolder(settings.results / experiment.record.name)
        if not folder.plan_file.exists():  # somebody removed it while the runs went on
            folder.write_plan(experiment.record)
    return Summary(
        [end.record for end in ends if end.record is not None and not end.elsewhere],
        failures + [end.failure for end in ends if end.failure is not None],
    )


def _planned(config: Config, sources: "_Sources", settings: Settings) -> _Experiment:
    data = sources(config.data.dataset, config.data.source)
    record, runs = plan(
        config, data.source, settings.results, settings.selectors, overwrite=settings.overwrite
    )
    for run in runs:
        if run.done:  # a process that was killed after its last word left its state
            with contextlib.suppress(UserError):
                run.folder.discard_checkpoints()
    failed = [] if settings.retry_failed else [run.failure for run in runs if run.failure is not None]
    todo = [run for run in runs if not run.done and (run.failure is None or settings.retry_failed)]
    if todo:
        check_runs(todo, data)
    return _Experiment(record, data, todo, len(runs) - len(todo) - len(failed), failed)


def _announce(experiments: Sequence[_Experiment], reporter: Reporter, sweep: str | None) -> None:
    if sweep is not None:
        todo, done = sum(len(e.todo) for e in experiments), sum(e.done for e in experiments)
        reporter.planned(f"{sweep} ({len(experiments)} points)", todo, done)
    else:
        for experiment in experiments:
            if experiment.todo or not experiment.failed:
                reporter.planned(experiment.record.name, len(experiment.todo), experiment.done)


def _jobs(
    experiments: Sequence[_Experiment], settings: Settings, desk: Path
) -> tuple[list[Job], dict[int, RunLabel]]:
    """Return all jobs, experiment by experiment, and what to call them."""
    provenance = Provenance.now(settings.device)
    draws: dict[tuple[str, int], Tensor] = {}  # shared by all optimizers and points of a seed
    todo = [(run, experiment.data) for experiment in experiments for run in experiment.todo]
    drawn_for = [_drawn(run, data, draws) for run, data in todo]
    timelines = [_timeline(run, len(indices)) for (run, _), indices in zip(todo, drawn_for, strict=True)]
    jobs, labels = [], {}
    for number, ((planned, _), indices, timeline) in enumerate(
        zip(todo, drawn_for, timelines, strict=True), start=1
    ):
        folder = RunFolder(planned.folder.path if settings.workers.inside else planned.folder.path.absolute())
        jobs.append(
            Job(
                number,
                replace(planned, folder=folder),
                indices,
                timeline,
                data_dir=settings.data_dir.absolute(),
                device=settings.device,
                provenance=provenance,
                desk=desk,
                threads=settings.workers.threads,
                watcher=os.getpid(),
                tensorboard=settings.tensorboard,
            )
        )
        labels[number] = RunLabel(
            planned.config.experiment.name,
            planned.optimizer,
            planned.seed,
            number,
            len(todo),
            timeline,
            sum(each.steps for each in timelines),
        )
    return jobs, labels


def _drawn(run: PlannedRun, data: ImageData, draws: dict[tuple[str, int], Tensor]) -> Tensor:
    key = (run.config.data.model_dump_json(), run.seed)
    if key not in draws:
        draws[key] = drawn(run.config.data, data, run.seed)
    return draws[key]


def _timeline(run: PlannedRun, n: int) -> Timeline:
    return Timeline.of(n, run.config.training, run.config.optimizers[0].batch_size)


class _Sources:
    """Loads each data set once, however many configs name it."""

    def __init__(self, data_dir: Path, notify: Callable[[str], None]) -> None:
        self._data_dir, self._notify = data_dir, notify
        self._loaded: dict[tuple[str, str], ImageData] = {}

    def __call__(self, dataset: str, source: str) -> ImageData:
        key = (dataset, source)
        if key not in self._loaded:
            self._loaded[key] = load(dataset, source, self._data_dir, notify=self._notify)
        return self._loaded[key]

    def share(self, desk: Path) -> None:
        for (dataset, _), data in self._loaded.items():
            share_data(desk, data, dataset, data.source)
