"""One run, from its config to its record: draw, network, training, what it left."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from dba_cli.config import Config
from dba_cli.data import ImageData, draw, draw_sha256, to_tensors
from dba_cli.errors import UserError
from dba_cli.experiments._plan import PlannedRun
from dba_cli.experiments._provenance import Provenance
from dba_cli.records import DataRecord, Durations, FinalFigures, RunRecord
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
class PreparedRun:
    """A run whose data is at hand: the images it draws and the length of its training."""

    planned: PlannedRun
    data: ImageData
    indices: torch.Tensor
    timeline: Timeline

    @classmethod
    def of(cls, planned: PlannedRun, data: ImageData) -> "PreparedRun":
        """Draw the images of ``planned``."""
        indices = _draw(planned.config, data, planned.seed)
        return cls(planned, data, indices, Timeline.of(len(indices), planned.config.training))


def do_run(
    prepared: PreparedRun, test_data: TensorData, provenance: Provenance, observer: Observer
) -> RunRecord:
    """Train on the device of ``test_data`` and write the record."""
    started, device = time.perf_counter(), test_data.labels.device
    run, data, indices, timeline = prepared.planned, prepared.data, prepared.indices, prepared.timeline
    config, seed, entry = run.config, run.seed, run.config.optimizers[0]
    train_data = to_device(data.train_images[indices], data.train_labels[indices], device)

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
        observer,
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
    return record


def check_runs(runs: Sequence[PlannedRun], data: ImageData) -> None:
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


def to_device(images: torch.Tensor, labels: torch.Tensor, device: torch.device) -> TensorData:
    """Return images (n, height, width) as the tensors that training reads, on ``device``."""
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
