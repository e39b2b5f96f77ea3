"""Doing every run that configs or a sweep name, once."""

import contextlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dba_cli.config import Config, ExperimentConfig, Sweep
from dba_cli.data import keep_out, located
from dba_cli.errors import UserError
from dba_cli.experiments._crew import do_runs
from dba_cli.experiments._images import Images, check_images, training_size
from dba_cli.experiments._one_run import check_network
from dba_cli.experiments._plan import Plan, PlannedRun, Reporter, Settings, plan
from dba_cli.experiments._progress_files import DESKS
from dba_cli.experiments._provenance import Provenance
from dba_cli.experiments._trackers import require_trackers
from dba_cli.experiments._worker import Session
from dba_cli.records import (
    ExperimentFolder,
    FailureRecord,
    PointRecord,
    RunFolder,
    RunRecord,
    SweepRecord,
    add_to_sweep,
    ensure_writable,
)


@dataclass(frozen=True)
class Summary:
    """What a command did: new records, and the failures of its runs, old ones that stand included."""

    records: list[RunRecord]
    failures: list[FailureRecord]


@dataclass(frozen=True)
class Prepared:
    """Everything that is to be done, after everything that can be refused was refused."""

    plans: list[Plan]
    runs: list[PlannedRun]
    images: Images
    session: Session

    def write_plans(self, *, missing: bool = False) -> None:
        """Write what makes each experiment complete; with ``missing`` only what somebody has removed."""
        for each in self.plans:
            folder = ExperimentFolder(self.session.settings.results / each.record.name)
            if not (missing and folder.plan_file.exists()):
                folder.write_plan(each.record)


def run_experiments(configs: Sequence[Config], settings: Settings, reporter: Reporter) -> Summary:
    """Do every run that the configs name and that is not done.

    A run that ends in an exception is recorded as failed; it is left alone from then on unless failed runs
    are retried. Refusals are those of `prepare`.
    """
    return _do(prepare(configs, settings, reporter), reporter)


def run_sweep(sweep: Sweep, folder: Path, settings: Settings, reporter: Reporter) -> Summary:
    """Do what is missing of the sweep's runs, in ``folder``; ``settings.results`` is not looked at."""
    points = [PointRecord(name=point.name, values=point.values) for point in sweep.points]
    index = SweepRecord(experiment=sweep.experiment, points=points)
    configs = [point.config for point in sweep.points]
    return _do(prepare(configs, replace(settings, results=folder), reporter, index), reporter)


def sweep_folder(results: Path, name: str) -> Path:
    """Return the sweep's folder: a results folder of its own, so that every command reads it as one.

    Each point is an experiment in it. Beside the other experiments, hundreds of points would bury them.

    Raises:
        UserError: It is no name, or an experiment lies there.
    """
    try:
        ExperimentConfig(name=name)
    except ValueError:
        raise UserError(f"--name {name}: give a folder's name: letters, digits, '_', '.', '-'") from None
    folder = results / name
    if ExperimentFolder(folder).plan_file.exists():
        raise UserError(f"{folder}: holds an experiment, no sweep; give another --name or --results DIR")
    return folder


def prepare(
    configs: Sequence[Config], settings: Settings, reporter: Reporter, sweep: SweepRecord | None = None
) -> Prepared:
    """Plan every run and tell ``reporter``, those of a ``sweep`` as one; write the plans, train nothing.

    Everything that can be refused is refused here, before the first run starts.

    Raises:
        UserError: Bad data, an impossible draw, a changed config, an unwritable folder, no such tracker.
    """
    require_trackers(settings.all_trackers)
    images = Images(settings.data_dir, reporter.notice)
    plans = [planned(config, images, settings) for config in configs]
    for config in configs:
        if config.data.path is not None:
            keep_out(located(config.data.path, settings.data_dir), settings.results)
    ensure_writable(settings.results)  # which makes the folder: after whatever is wrong was refused
    todo = [run for each in plans for run in each.todo]
    for run in todo:
        ensure_writable(run.folder.path)
    for folder in (folder for each in plans for folder in each.done):
        with contextlib.suppress(UserError):  # what a process left that was killed after its last word
            folder.discard_checkpoints()
    if sweep is not None:
        add_to_sweep(settings.results, sweep)
    if not settings.inside:
        # A worker may start in another folder.
        settings = replace(settings, data_dir=settings.data_dir.absolute())
        todo = [replace(run, folder=RunFolder(run.folder.path.absolute())) for run in todo]
    todo = [replace(run, number=number) for number, run in enumerate(todo, start=1)]
    if sweep is not None:
        done = sum(len(each.done) for each in plans)
        reporter.planned(f"{settings.results.name} ({len(plans)} points)", todo, done)
    for each in [] if sweep is not None else plans:
        if each.todo or not each.failed:
            name = each.record.name
            reporter.planned(name, [run for run in todo if run.experiment == name], len(each.done))
    desk = settings.results.absolute() / f"{DESKS}{uuid.uuid4().hex}"
    session = Session(settings, Provenance.now(settings.device), desk, os.getpid())
    prepared = Prepared(plans, todo, images, session)
    prepared.write_plans()
    return prepared


def _do(prepared: Prepared, reporter: Reporter) -> Summary:
    failures = [failure for each in prepared.plans for failure in each.failed]
    if not prepared.runs:
        return Summary([], failures)
    ends = do_runs(prepared.runs, prepared.session, prepared.images, reporter)
    prepared.write_plans(missing=True)
    return Summary(
        [end.record for end in ends if end.record is not None and not end.elsewhere],
        failures + [end.failure for end in ends if end.failure is not None],
    )


def planned(config: Config, images: Images, settings: Settings) -> Plan:
    """Return what there is to do of ``config``; refuse what its data or its network make impossible."""
    data = images.of(config.data)
    config = config.found(data.source, data.sha256)
    check_images(config, data)
    n = training_size(config, data)
    found = plan(config, data.source, n, settings)
    for entry in {run.optimizer: run.config.optimizers[0] for run in found.todo}.values():
        batch_size = entry.batch_size or config.training.batch_size
        if batch_size > n and config.training.deformation is None:
            key = "training.batch_size" if entry.batch_size is None else f"{entry.name}.batch_size"
            raise UserError(
                f"{config.experiment.name}: {key} {batch_size} is more than the {n} images of the draw; "
                f"give at most {n}"
            )
        try:
            check_network(config, entry, data)
        except (TypeError, ValueError) as error:
            raise UserError(f"{config.experiment.name}: optimizer {entry.name}: {error}") from None
    return found
