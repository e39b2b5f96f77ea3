"""What ``result.json`` and ``experiment.json`` say.

Accuracies and losses are plain fractions and nats; only tables speak in per cent. Everything but
``durations`` is the same, bit for bit, when the same command runs again on the same machine.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    # No infinity or NaN: JSON has none, and a record must read back as it was written.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataRecord(_Part):
    """The data that a run saw."""

    dataset: str
    source: Literal["official", "embedded"]
    draw: dict[str, float | int | Literal["random", "facility_location"]]
    draw_sha256: Sha256 = Field(description="Of the drawn indices as little-endian int64, ascending.")
    n_train: Count
    n_test: Count
    evaluated_on: Literal["test", "validation"] = "test"
    notice: str | None = Field(description="Why figures from this source do not compare to the paper's.")


class FinalFigures(_Part):
    """The state at the end of training; never the best of several evaluations."""

    step: Count
    epoch: Annotated[float, Field(ge=0)]
    samples_processed: Count
    train_loss: float
    test_loss: float
    test_accuracy: Fraction
    test_errors: Count
    copies_errors: Count | None = Field(
        default=None, description="Errors of predictions averaged over deformed copies of each image."
    )


class DeviceRecord(_Part):
    """What the run was computed on."""

    type: str
    name: str
    threads: Count


class Durations(_Part):
    """The only part of a record that differs between two runs of the same command; seconds."""

    training: Seconds
    evaluation: Seconds
    total: Seconds
    finished_at: str = Field(description="UTC, ISO 8601.")


class RunRecord(_Part):
    """One finished run: one optimizer and one seed of one experiment."""

    format: Literal[1] = 1
    status: Literal["finished", "diverged"]
    experiment: str
    optimizer: str
    optimizer_kind: str
    seed: Count
    protocol: str
    data: DataRecord
    parameters: Count
    final: FinalFigures | None = Field(description="None when the loss stopped being finite.")
    diverged_at_step: Count | None = None
    config_hash: Sha256
    versions: dict[str, str]
    device: DeviceRecord
    stack: Annotated[int, Field(ge=1)] = Field(
        default=1, exclude=True, description="In records of dba-cli 0.1: seeds trained as one computation."
    )
    git_revision: str | None
    durations: Durations


class PaperRecord(_Part):
    """The paper's figures for the experiment, in per cent."""

    test_accuracy: float
    error_reduction: float


class ExperimentRecord(_Part):
    """Which runs make an experiment complete, and what the paper says of it."""

    format: Literal[1] = 1
    name: str
    description: str
    paper: PaperRecord | None
    optimizers: dict[str, Sha256] = Field(description="Entry name to the config hash of its runs.")
    seeds: list[Count]
