"""One run, from its config to its record: draw, network, training, what it left."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import torch
from torch import Tensor, nn

from dba_cli.config import Config
from dba_cli.data import DeformedImages, ImageData, draw_sha256
from dba_cli.errors import UserError
from dba_cli.experiments._images import drawn, protocol, standardizer, training_samples
from dba_cli.experiments._plan import PlannedRun
from dba_cli.experiments._provenance import Provenance
from dba_cli.method import Selection
from dba_cli.records import (
    DataRecord,
    Durations,
    FinalFigures,
    RunFolder,
    RunRecord,
    TraceWriter,
    write_predictions,
)
from dba_cli.training import (
    HistoryRow,
    Learning,
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
    predict,
    train,
)


@dataclass(frozen=True)
class PreparedRun:
    """A run whose data is at hand: the images it draws and the length of its training."""

    planned: PlannedRun
    data: ImageData
    indices: Tensor
    timeline: Timeline

    @classmethod
    def of(cls, planned: PlannedRun, data: ImageData) -> "PreparedRun":
        """Draw the images of ``planned``."""
        config = planned.config
        indices = drawn(config.data, data, planned.seed)
        timeline = Timeline.of(len(indices), config.training, config.optimizers[0].batch_size)
        return cls(planned, data, indices, timeline)


def do_run(
    prepared: PreparedRun, test_data: TensorData, provenance: Provenance, observer: Observer
) -> RunRecord:
    """Train on the device of ``test_data`` and write the record."""
    started, device = time.perf_counter(), test_data.labels.device
    run, data, indices, timeline = prepared.planned, prepared.data, prepared.indices, prepared.timeline
    config, seed, entry = run.config, run.seed, run.config.optimizers[0]
    train_data = training_samples(config, data, indices, seed, device)

    model = _model(config, data, seed, indices).to(device)
    optimizer = build_optimizer(entry, model.parameters())
    recorder = _Recorder() if config.training.trace else None
    run.folder.discard()
    outcome = train(
        model,
        Learning(
            optimizer,
            build_scheduler(config.training.schedule, optimizer, timeline.steps),
            gradient_rule(entry, model, generator(seed, Stream.SELECTION)),
            label_smoothing=config.training.label_smoothing,
            precision=getattr(torch, config.training.precision),
            recorder=recorder,
        ),
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
        protocol=protocol(config),
        data=DataRecord(
            dataset=data.dataset,
            source=data.source,
            draw=config.data.draw.model_dump(exclude_defaults=True),
            draw_sha256=draw_sha256(indices),
            n_train=len(indices),
            n_test=len(test_data),
            evaluated_on=config.data.evaluate_on,
            notice=data.notice,
        ),
        parameters=count_parameters(model),
        final=_final(outcome, _copies_errors(config, model, train_data, test_data, seed)),
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
    if recorder is not None:
        recorder.write(run.folder, predict(model, test_data.images))
    run.folder.write(config, [_csv_row(row) for row in outcome.history], record)
    return record


def check_runs(runs: Sequence[PlannedRun], data: ImageData) -> None:
    """Refuse what only the data and the network can tell: before any run starts, not hours into it."""
    config, seed = runs[0].config, runs[0].seed
    name = config.experiment.name
    indices = drawn(config.data, data, seed)
    n = len(indices)
    for entry in {run.optimizer: run.config.optimizers[0] for run in runs}.values():
        batch_size = entry.batch_size or config.training.batch_size
        if batch_size > n and config.training.deformation is None:
            key = "training.batch_size" if entry.batch_size is None else f"{entry.name}.batch_size"
            raise UserError(
                f"{name}: {key} {batch_size} is more than the {n} images of the draw; give at most {n}"
            )
        try:
            gradient_rule(entry, _model(config, data, seed, indices), generator(seed, Stream.SELECTION))
        except (TypeError, ValueError) as error:
            raise UserError(f"{name}: optimizer {entry.name}: {error}") from None


class _Recorder:
    """Hands what the trainer selects to the trace on disk."""

    def __init__(self) -> None:
        self._writer = TraceWriter()

    def add(self, batch: Tensor, selection: Selection | None) -> None:
        weights = {} if selection is None else selection.weights
        chosen = {layer: (weight > 0).cpu().numpy() for layer, weight in weights.items()}
        self._writer.add(batch.cpu().numpy(), chosen)

    def write(self, folder: RunFolder, logits: Tensor) -> None:
        self._writer.write(folder.trace_file)
        write_predictions(folder.predictions_file, logits.argmax(1).cpu().numpy().astype(np.uint8))


def _copies_errors(
    config: Config,
    model: nn.Module,
    train_data: TensorData | DeformedImages,
    test_data: TensorData,
    seed: int,
) -> int | None:
    """Return the errors of the mean probability over deformed copies of each image, the image included."""
    copies = config.training.evaluation.copies
    if copies == 0 or not isinstance(train_data, DeformedImages):
        return None
    stream = generator(seed, Stream.TEST_COPIES)
    total = predict(model, test_data.images).softmax(1)
    for _ in range(copies):
        total += predict(model, train_data.copies_of(test_data.images, stream)).softmax(1)
    return int((total.argmax(1) != test_data.labels).sum())


def _model(config: Config, data: ImageData, seed: int, indices: Tensor) -> nn.Module:
    height, width = data.train_images.shape[1:]
    return build_model(
        config.model,
        (height, width),
        data.num_classes,
        generator(seed, Stream.WEIGHTS),
        standardizer(config.data, data, indices),
    )


def _final(outcome: Outcome, copies_errors: int | None) -> FinalFigures | None:
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
        copies_errors=copies_errors,
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
