"""What a run's record says of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from torch import Tensor, nn

from dba_cli.config import Config
from dba_cli.data import DeformedImages, ImageData, draw_sha256
from dba_cli.experiments._images import protocol
from dba_cli.experiments._plan import PlannedRun
from dba_cli.experiments._provenance import Provenance
from dba_cli.records import DataRecord, Durations, RunRecord
from dba_cli.training import (
    Outcome,
    Stream,
    TensorData,
    Timeline,
    TrainingSamples,
    count_parameters,
    generator,
    predict,
)


@dataclass(frozen=True)
class PreparedRun:
    """A run whose data is at hand: the images it draws and the length of its training."""

    planned: PlannedRun
    data: ImageData
    indices: Tensor
    timeline: Timeline


@dataclass(frozen=True)
class Trained:
    """A network after its training, and what it was trained and tested on."""

    model: nn.Module
    train_data: TrainingSamples
    test_data: TensorData
    outcome: Outcome


def record_of(
    prepared: PreparedRun,
    trained: Trained,
    provenance: Provenance,
    seconds: float,
    revision: str | None,
) -> RunRecord:
    """Return the record of a run that took ``seconds``, the code's ``revision`` included."""
    run, data, outcome = prepared.planned, prepared.data, trained.outcome
    config, entry = run.config, run.config.optimizers[0]
    final = None
    if outcome.diverged_at_step is None:
        copies_errors = _copies_errors(config, trained, run.seed)
        final = outcome.history[-1].model_copy(
            update={"copies_errors": copies_errors, "seconds": outcome.training_seconds}
        )
    return RunRecord(
        status="finished" if outcome.diverged_at_step is None else "diverged",
        experiment=config.experiment.name,
        optimizer=entry.name,
        optimizer_kind=entry.kind,
        seed=run.seed,
        protocol=protocol(config),
        data=DataRecord(
            dataset=data.dataset,
            source=data.source,
            draw=config.data.draw.model_dump(exclude_defaults=True),
            draw_sha256=draw_sha256(prepared.indices),
            n_train=len(prepared.indices),
            n_test=len(trained.test_data),
            evaluated_on=config.data.evaluate_on,
            notice=data.notice,
        ),
        parameters=count_parameters(trained.model),
        final=final,
        diverged_at_step=outcome.diverged_at_step,
        config=config.model_dump(mode="json", exclude={"sweep"}),
        config_hash=run.hash,
        versions=provenance.versions,
        device=provenance.device,
        git_revision=revision,
        durations=Durations(
            training=outcome.training_seconds,
            evaluation=outcome.evaluation_seconds,
            total=seconds,
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )


def _copies_errors(config: Config, trained: Trained, seed: int) -> int | None:
    """Return the errors of the mean probability over deformed copies of each image, the image included."""
    copies, train_data, test_data = config.training.evaluation.copies, trained.train_data, trained.test_data
    if copies == 0 or not isinstance(train_data, DeformedImages):
        return None
    stream = generator(seed, Stream.TEST_COPIES)
    total = predict(trained.model, test_data.images).softmax(1)
    for _ in range(copies):
        total += predict(trained.model, train_data.copies_of(test_data.images, stream)).softmax(1)
    return int((total.argmax(1) != test_data.labels).sum())
