"""Which runs a config names, which of them are done, and which must not be touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dba_cli.config import Config, config_hash
from dba_cli.errors import UserError, did_you_mean
from dba_cli.records import (
    ExperimentFolder,
    ExperimentRecord,
    FailureRecord,
    RunFolder,
    read_failure,
)


@dataclass(frozen=True)
class Selectors:
    """What narrows a config: names of optimizers and seeds; empty means all."""

    optimizers: Sequence[str] = ()
    seeds: Sequence[int] = ()


@dataclass(frozen=True)
class PlannedRun:
    """One run: its config narrowed to one optimizer and one seed, and its folder.

    ``failure`` is how it failed before, with this very config; ``stamp`` tells the record that was
    there from one that another process writes later. ``anew``: not even from where it was stopped.
    """

    config: Config
    hash: str
    folder: RunFolder
    done: bool
    failure: FailureRecord | None = None
    stamp: int | None = None
    anew: bool = False

    @property
    def optimizer(self) -> str:
        """Return the name of the optimizer entry."""
        return self.config.optimizers[0].name

    @property
    def seed(self) -> int:
        """Return the run's seed."""
        return self.config.seeds[0]


def plan(
    config: Config, source: str, results: Path, selectors: Selectors, *, overwrite: bool
) -> tuple[ExperimentRecord, list[PlannedRun]]:
    """Return the experiment's record and its runs, seed by seed so that pairs are complete early.

    A finished run with the same config hash is done. With ``overwrite`` none is.

    Raises:
        UserError: A selector names nothing, or a finished run has another config.
    """
    names = [entry.name for entry in config.optimizers]
    for name in selectors.optimizers:
        if name not in names:
            raise UserError(
                f"--optimizer {name}: not in experiment {config.experiment.name!r}{did_you_mean(name, names)}"
            )
    for seed in selectors.seeds:
        if seed not in config.seeds:
            raise UserError(
                f"--seed {seed}: not in experiment {config.experiment.name!r}, "
                f"whose seeds are {_brief(config.seeds)}"
            )
    folder = ExperimentFolder(results / config.experiment.name)
    hashes: dict[str, str] = {}
    runs = []
    for seed in config.seeds:
        for name in names:
            narrowed = config.narrowed(name, seed, source)
            hashes[name] = config_hash(narrowed)
            if (not selectors.seeds or seed in selectors.seeds) and (
                not selectors.optimizers or name in selectors.optimizers
            ):
                run = folder.run(name, seed)
                before = stamp(run)
                done = not overwrite and _done(run, hashes[name])
                failure = None if done or overwrite else _failed(run, hashes[name])
                runs.append(PlannedRun(narrowed, hashes[name], run, done, failure, before, overwrite))
    record = ExperimentRecord(
        name=config.experiment.name,
        description=config.experiment.description,
        paper=config.experiment.paper,
        optimizers=hashes,
        seeds=config.seeds,
    )
    return record, runs


def _done(run: RunFolder, wanted: str) -> bool:
    record = run.read()
    if record is None:
        return False
    if record.config_hash != wanted:
        raise UserError(
            f"{run.path}: holds a finished run of another config (data source: {record.data.source}); "
            "--overwrite replaces it, --results DIR keeps both"
        )
    return True


def stamp(run: RunFolder) -> int | None:
    """Return what changes when the run's result is written anew; None where there is no result."""
    try:
        return run.result_file.stat().st_mtime_ns
    except OSError:
        return None


def _failed(run: RunFolder, wanted: str) -> FailureRecord | None:
    """Return how this very run failed; one of another config may succeed."""
    failure = read_failure(run)
    return failure if failure is not None and failure.config_hash == wanted else None


def _brief(seeds: Sequence[int]) -> str:
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(map(str, seeds))
