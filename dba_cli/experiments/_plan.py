"""The forms of a run on its way, who is told of them, and which runs a config names.

A run is a config, then a `PlannedRun`, then a training (`OneRun`), then a record; `Ended` says how it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from dba_cli.config import Config, config_hash
from dba_cli.errors import UserError, did_you_mean
from dba_cli.records import (
    ExperimentFolder,
    ExperimentRecord,
    FailureRecord,
    RunFolder,
    RunRecord,
)
from dba_cli.training import Observer, Timeline

_DIFFERENCES = 3  # that a refusal names
Backend = Literal["loky", "ray"]


@dataclass(frozen=True)
class Settings:
    """Where things are, who works, and what may be replaced; every worker gets them whole.

    ``optimizers`` and ``seeds`` narrow a config; empty means all. ``jobs`` processes do the work; None is
    this process, or all the cores of a cluster. ``threads`` is of each run; None is one for each of several
    jobs, else by the network's size and the machine's load. ``address`` is that of a running Ray cluster;
    without it Ray starts one on this machine. ``trackers`` are told of each evaluation.
    """

    data_dir: Path
    results: Path
    device: torch.device
    optimizers: Sequence[str] = ()
    seeds: Sequence[int] = ()
    overwrite: bool = False
    retry_failed: bool = False
    jobs: int | None = None
    backend: Backend = "loky"
    address: str | None = None
    tensorboard: bool = False
    trackers: Sequence[str] = ()
    threads: int | None = None

    @property
    def all_trackers(self) -> list[str]:
        """Return the names of what shows the runs while they go on; ``tensorboard`` is short for one."""
        return list(dict.fromkeys([*(["tensorboard"] if self.tensorboard else []), *self.trackers]))

    @property
    def inside(self) -> bool:
        """Whether this very process does the work."""
        return self.backend == "loky" and self.jobs in (None, 1)

    @property
    def fixed_threads(self) -> int | None:
        """Return the threads of each run; None where they are chosen for each."""
        return self.threads or (None if self.backend == "loky" and self.jobs is None else 1)


@dataclass(frozen=True)
class PlannedRun:
    """One run that is to be done: its config narrowed to one optimizer and one seed, its folder, its length.

    ``number`` counts from 1 over all runs of a command. ``failure`` is how the run failed before, with this
    very config; ``stamp`` tells the record that was there from one that another process writes later.
    ``anew``: not even from where it was stopped.
    """

    config: Config
    hash: str
    folder: RunFolder
    timeline: Timeline
    number: int = 1
    failure: FailureRecord | None = None
    stamp: int | None = None
    anew: bool = False

    @property
    def experiment(self) -> str:
        """Return the name of the experiment."""
        return self.config.experiment.name

    @property
    def optimizer(self) -> str:
        """Return the name of the optimizer entry."""
        return self.config.optimizers[0].name

    @property
    def seed(self) -> int:
        """Return the run's seed."""
        return self.config.seeds[0]


@dataclass(frozen=True)
class Ended:
    """How a run ended: with a record or a failure, or with neither where another process has it in hand.

    ``elsewhere``: the record or the failure is another process's. ``stopped``: it was told to.
    """

    number: int
    record: RunRecord | None = None
    failure: FailureRecord | None = None
    elsewhere: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Plan:
    """What there is to do of one experiment, and what is left alone: runs done, and failures that stand."""

    record: ExperimentRecord
    todo: list[PlannedRun]
    done: list[RunFolder]
    failed: list[FailureRecord]


class Reporter:
    """Is told what happens, and must not change it. This one ignores everything."""

    def notice(self, line: str) -> None:
        """A line that must be seen, such as a fallback to other data."""

    def stage(self, line: str, later: float) -> None:
        """A part of the work begins, its runs counted anew; others take ``later`` seconds after it."""

    def say(self, line: str) -> None:
        """A line for whoever follows the work."""

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        """What is about to begin, an experiment or a sweep: runs to do, and how many were found done."""

    def started(self, run: PlannedRun) -> Observer:
        """A run begins; what is returned watches its training."""
        return Observer()

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """A run's record is on disk."""

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        """A run ended in an exception; the others go on."""

    def elsewhere(self, run: PlannedRun) -> None:
        """A run was done by another process meanwhile."""


def narrowed_runs(config: Config, source: str, settings: Settings) -> list[tuple[Config, str, RunFolder]]:
    """Return config, hash and folder of each run, seed by seed so that pairs are complete early.

    Raises:
        UserError: The config has no such optimizer or seed.
    """
    names = [entry.name for entry in config.optimizers]
    for name in settings.optimizers:
        if name not in names:
            raise UserError(
                f"--optimizer {name}: not in experiment {config.experiment.name!r}{did_you_mean(name, names)}"
            )
    for seed in settings.seeds:
        if seed not in config.seeds:
            raise UserError(
                f"--seed {seed}: not in experiment {config.experiment.name!r}, "
                f"whose seeds are {_brief(config.seeds)}; --set seeds=0-{seed} gives it more"
            )
    folder = ExperimentFolder(settings.results / config.experiment.name)
    hashes = {name: config_hash(config.narrowed(name, config.seeds[0], source)) for name in names}
    return [
        (config.narrowed(name, seed, source), hashes[name], folder.run(name, seed))
        for seed in config.seeds
        for name in names
        if seed in (settings.seeds or [seed]) and name in (settings.optimizers or [name])
    ]


def plan(config: Config, source: str, n_train: int, settings: Settings) -> Plan:
    """Return what there is to do of ``config``, whose runs each draw ``n_train`` images from ``source``.

    A finished run with the same config hash is done; with ``settings.overwrite`` none is.

    Raises:
        UserError: No such optimizer or seed, or a finished run has another config.
    """
    every = narrowed_runs(config, source, replace(settings, optimizers=(), seeds=()))
    record = ExperimentRecord(
        name=config.experiment.name,
        description=config.experiment.description,
        paper=config.experiment.paper,
        optimizers={run.optimizers[0].name: hashed for run, hashed, _ in every},
        seeds=config.seeds,
    )
    found = Plan(record, [], [], [])
    for run, hashed, folder in narrowed_runs(config, source, settings):
        if not settings.overwrite and _done(folder, run, hashed):
            found.done.append(folder)
            continue
        failure = None if settings.overwrite else folder.failure()
        if failure is not None and failure.config_hash != hashed:
            failure = None  # of another config: this one may succeed
        if failure is not None and not settings.retry_failed:
            found.failed.append(failure)
            continue
        timeline = Timeline.of(n_train, run.training, run.optimizers[0].batch_size)
        planned = PlannedRun(run, hashed, folder, timeline, 1, failure, stamp(folder), settings.overwrite)
        found.todo.append(planned)
    return found


def stamp(run: RunFolder) -> int | None:
    """Return what changes when the run's result is written anew; None where there is no result."""
    try:
        return run.result_file.stat().st_mtime_ns
    except OSError:
        return None


def _done(folder: RunFolder, wanted: Config, hashed: str) -> bool:
    record = folder.read()
    if record is None:
        return False
    if record.config_hash != hashed:
        raise UserError(
            f"{folder.path}: holds a finished run of another config ({_difference(record, wanted)}); "
            "--overwrite replaces it, --results DIR keeps both"
        )
    return True


def _difference(record: RunRecord, wanted: Config) -> str:
    """Return the first values that differ, by dotted key, and how many more do."""
    try:
        # Anew: what has a default today need not stand in the record.
        before = _settings(record, Config.model_validate(record.config))
    except ValueError:
        return f"data source: {record.data.source}"
    now = _settings(record, wanted)
    keys = [key for key in before | now if before.get(key) != now.get(key)]
    if not keys:  # the meaning of a key has changed
        return "by another version"
    said = [
        f"{key}: {before.get(key, 'none')!s:.60} before, {now.get(key, 'none')!s:.60} now"
        for key in keys[:_DIFFERENCES]
    ]
    more = [f"and {len(keys) - _DIFFERENCES} more"] if len(keys) > _DIFFERENCES else []
    return "; ".join(said + more)


def _settings(record: RunRecord, config: Config) -> dict[str, Any]:
    same_place = config.data.sha256 is not None and config.data.sha256 == record.data.sha256
    content = config.model_dump(mode="json", exclude={"sweep": True, "training": {"checkpoint": True}})
    if same_place:
        content["data"].pop("path")
    return record.model_copy(update={"config": content}).settings


def _brief(seeds: Sequence[int]) -> str:
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(map(str, seeds))
