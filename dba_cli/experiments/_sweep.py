"""A sweep: many experiments under one folder, with an index of what each of them sets."""

from dataclasses import replace
from pathlib import Path

from dba_cli.config import ExperimentConfig, Sweep
from dba_cli.errors import UserError
from dba_cli.experiments._reporter import Reporter
from dba_cli.experiments._run import Settings, Summary, run_experiments
from dba_cli.records import ExperimentFolder, PointRecord, SweepRecord


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


def run_sweep(sweep: Sweep, folder: Path, settings: Settings, reporter: Reporter) -> Summary:
    """Do what is missing of the sweep's runs, in ``folder``; ``settings.results`` is not looked at.

    Raises:
        UserError: As for :func:`run_experiments`, for any of the points.
    """
    points = [PointRecord(name=point.name, values=point.values) for point in sweep.points]
    index = SweepRecord(experiment=sweep.experiment, points=points)
    configs = [point.config for point in sweep.points]
    return run_experiments(configs, replace(settings, results=folder), reporter, index)
