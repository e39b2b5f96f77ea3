"""Doing every run that the configs name, once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from dba_cli.config import Config
from dba_cli.data import ImageData, load
from dba_cli.experiments._images import evaluation_samples
from dba_cli.experiments._plan import Selectors, plan
from dba_cli.experiments._provenance import Provenance
from dba_cli.experiments._single import PreparedRun, check_runs, do_run
from dba_cli.records import ExperimentFolder, RunRecord, ensure_writable
from dba_cli.training import Observer, Timeline


@dataclass(frozen=True)
class RunLabel:
    """What a display says of the run in progress."""

    experiment: str
    optimizer: str
    seed: int
    number: int
    total: int
    timeline: Timeline


class Reporter(Protocol):
    """Is told what happens; must not change it."""

    def notice(self, line: str) -> None:
        """A line that must be seen, such as a fallback to other data."""

    def planned(self, experiment: str, todo: int, done: int) -> None:
        """An experiment begins: runs to do, and runs found done."""

    def started(self, label: RunLabel) -> Observer:
        """A run begins; what is returned watches its training."""

    def finished(self, label: RunLabel, record: RunRecord) -> None:
        """A run's record is on disk."""


@dataclass(frozen=True)
class Settings:
    """Where things are and what may be replaced."""

    data_dir: Path
    results: Path
    device: torch.device
    selectors: Selectors = field(default_factory=Selectors)
    overwrite: bool = False


def run_experiments(configs: Sequence[Config], settings: Settings, reporter: Reporter) -> list[RunRecord]:
    """Do every run that the configs name and that is not done; return the new records.

    Everything that can be refused is refused before the first run starts.

    Raises:
        UserError: Bad data, an impossible draw, a changed config, an unwritable folder.
    """
    ensure_writable(settings.results)
    sources = _Sources(settings.data_dir, reporter.notice)
    planned = []
    for config in configs:
        data = sources(config.data.dataset, config.data.source)
        record, runs = plan(
            config, data.source, settings.results, settings.selectors, overwrite=settings.overwrite
        )
        todo = [run for run in runs if not run.done]
        if todo:
            check_runs(todo, data)
        planned.append((record, data, todo, len(runs) - len(todo)))
    for _, _, todo, _ in planned:
        for run in todo:
            ensure_writable(run.folder.path)

    provenance = Provenance.now(settings.device)
    records = []
    for record, data, todo, done in planned:
        reporter.planned(record.name, len(todo), done)
        ExperimentFolder(settings.results / record.name).write_plan(record)
        tensors = evaluation_samples(todo[0].config.data, data, settings.device) if todo else None
        for number, run in enumerate(todo, start=1):
            assert tensors is not None
            prepared = PreparedRun.of(run, data)
            label = RunLabel(record.name, run.optimizer, run.seed, number, len(todo), prepared.timeline)
            finished = do_run(prepared, tensors, provenance, reporter.started(label))
            records.append(finished)
            reporter.finished(label, finished)
    return records


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
