"""Doing the runs: data, draw, network, training, record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import torch

from dba_cli.config import Config
from dba_cli.data import ImageData, draw, draw_sha256, load, to_tensors
from dba_cli.errors import UserError
from dba_cli.experiments._plan import PlannedRun, Selectors, plan
from dba_cli.experiments._provenance import Provenance
from dba_cli.records import (
    DataRecord,
    Durations,
    ExperimentFolder,
    FinalFigures,
    RunRecord,
    ensure_writable,
)
from dba_cli.training import (
    HistoryRow,
    Observer,
    Outcome,
    Stream,
    TensorData,
    Timeline,
    build_model,
    build_optimizer,
    build_scheduler,
    count_parameters,
    generator,
    gradient_rule,
    train,
)


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
            _check(todo, data)
        planned.append((record, data, todo, len(runs) - len(todo)))
    for _, _, todo, _ in planned:
        for run in todo:
            ensure_writable(run.folder.path)

    provenance = Provenance.now(settings.device)
    records = []
    for record, data, todo, done in planned:
        reporter.planned(record.name, len(todo), done)
        ExperimentFolder(settings.results / record.name).write_plan(record)
        tensors = _to_device(data.test_images, data.test_labels, settings.device) if todo else None
        for number, run in enumerate(todo, start=1):
            assert tensors is not None
            records.append(_do(run, (number, len(todo)), data, tensors, provenance, reporter))
    return records


def _do(
    run: PlannedRun,
    position: tuple[int, int],
    data: ImageData,
    test_data: TensorData,
    provenance: Provenance,
    reporter: Reporter,
) -> RunRecord:
    started, device = time.perf_counter(), test_data.labels.device
    config, seed, entry = run.config, run.seed, run.config.optimizers[0]
    indices = _draw(config, data, seed)
    train_data = _to_device(data.train_images[indices], data.train_labels[indices], device)
    timeline = Timeline.of(len(indices), config.training)
    label = RunLabel(config.experiment.name, entry.name, seed, *position, timeline)

    model = _model(config, data, seed).to(device)
    optimizer = build_optimizer(entry, model.parameters())
    run.folder.discard()
    outcome = train(
        model,
        optimizer,
        build_scheduler(config.training.schedule, optimizer, timeline.steps),
        gradient_rule(entry, model, generator(seed, Stream.SELECTION)),
        train_data,
        test_data,
        timeline,
        generator(seed, Stream.ORDER),
        reporter.started(label),
    )
    record = RunRecord(
        status="finished" if outcome.diverged_at_step is None else "diverged",
        experiment=config.experiment.name,
        optimizer=entry.name,
        optimizer_kind=entry.kind,
        seed=seed,
        protocol="full training set" if config.data.draw.fraction == 1 else "random draw",
        data=DataRecord(
            dataset=data.dataset,
            source=data.source,
            draw=config.data.draw.model_dump(exclude_none=True),
            draw_sha256=draw_sha256(indices),
            n_train=len(train_data),
            n_test=len(test_data),
            notice=data.notice,
        ),
        parameters=count_parameters(model),
        final=_final(outcome),
        diverged_at_step=outcome.diverged_at_step,
        config_hash=run.hash,
        versions=provenance.versions,
        device=provenance.device,
        git_revision=provenance.git_revision,
        durations=Durations(
            training=outcome.training_seconds,
            evaluation=outcome.evaluation_seconds,
            total=time.perf_counter() - started,
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )
    run.folder.write(config, [_csv_row(row) for row in outcome.history], record)
    reporter.finished(label, record)
    return record


def _check(runs: Sequence[PlannedRun], data: ImageData) -> None:
    """Refuse what only the data and the network can tell: before any run starts, not hours into it."""
    config, seed = runs[0].config, runs[0].seed
    name = config.experiment.name
    n = len(_draw(config, data, seed))
    if config.training.batch_size > n:
        raise UserError(
            f"{name}: training.batch_size {config.training.batch_size} is more than the {n} images "
            f"of the draw; give at most {n}"
        )
    for entry in {run.optimizer: run.config.optimizers[0] for run in runs}.values():
        try:
            gradient_rule(entry, _model(config, data, seed), generator(seed, Stream.SELECTION))
        except (TypeError, ValueError) as error:
            raise UserError(f"{name}: optimizer {entry.name}: {error}") from None


def _draw(config: Config, data: ImageData, seed: int) -> torch.Tensor:
    where = config.data.draw
    return draw(
        data.train_labels,
        fraction=where.fraction,
        per_class=where.per_class,
        generator=generator(seed, Stream.DRAW),
    )


def _model(config: Config, data: ImageData, seed: int) -> torch.nn.Module:
    height, width = data.train_images.shape[1:]
    return build_model(config.model, (height, width), data.num_classes, generator(seed, Stream.WEIGHTS))


def _to_device(images: torch.Tensor, labels: torch.Tensor, device: torch.device) -> TensorData:
    return TensorData(to_tensors(images).to(device), labels.to(device))


def _final(outcome: Outcome) -> FinalFigures | None:
    if outcome.diverged_at_step is not None:
        return None
    last = outcome.history[-1]
    assert last.train_loss is not None
    return FinalFigures(
        step=last.step,
        epoch=last.epoch,
        samples_processed=last.samples_processed,
        train_loss=last.train_loss,
        test_loss=last.test_loss,
        test_accuracy=last.test_accuracy,
        test_errors=last.test_errors,
    )


def _csv_row(row: HistoryRow) -> dict[str, object]:
    """Return the columns of history.csv; DBA's selected fraction has one column per layer."""
    return {
        "step": row.step,
        "epoch": row.epoch,
        "samples_processed": row.samples_processed,
        "train_loss": row.train_loss,
        "test_loss": row.test_loss,
        "test_accuracy": row.test_accuracy,
        **{f"fraction.{name}": fraction for name, fraction in row.fractions.items()},
        "seconds": row.seconds,
    }


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
