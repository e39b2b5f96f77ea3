"""What ``result.json``, ``failure.json``, ``experiment.json`` and ``sweep.json`` say.

Accuracies and losses are plain fractions and nats; only tables speak in per cent. Everything but
``durations`` and the ``seal`` is the same, bit for bit, when the same command runs again on the same machine.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from dba_cli.records._evaluation import Count, Evaluation, Seconds

Percent = Annotated[float, Field(ge=0, le=100)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Part(BaseModel):
    """Of a record that reads back as it was written: no infinity or NaN, which JSON does not have."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# Of the datasets that records without a title can be of.
_TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "kmnist": "KMNIST"}


class DataRecord(Part):
    """The data that a run saw."""

    dataset: str
    title: str = Field(description="What tables call the dataset.")
    source: Literal["official", "embedded", "own", "unverified"] = Field(
        description="What is known of the bytes: official where digests say so, else unverified; own for a "
        "user's folder, file or module. (In records of dba-cli 0.1 official stands for all of these.)"
    )
    sha256: Sha256 | None = Field(default=None, description="Of the samples and labels of one's own data.")
    draw: dict[str, int | float | Literal["random", "facility_location"] | Sha256]
    draw_sha256: Sha256 = Field(description="Of the drawn indices as little-endian int64, ascending.")
    labels_sha256: Sha256 | None = Field(
        default=None, description="Of the labels trained on, in the same way, where data.noise changed some."
    )
    trusted_sha256: Sha256 | None = Field(
        default=None, description="Of the indices of data.trusted, in the same way; none is in the draw."
    )
    n_train: Count
    n_test: Count
    evaluated_on: Literal["test", "validation", "noisy_validation"] = "test"
    notice: str | None = Field(description="Why figures from this source do not compare to the paper's.")

    @model_validator(mode="before")
    @classmethod
    def _titled(cls, values: Any) -> Any:
        """Give a record of dba-cli 0.1 the title that it lacks."""
        if isinstance(values, dict) and "title" not in values and "dataset" in values:
            return {**values, "title": _TITLES.get(values["dataset"], values["dataset"])}
        return values


class DeviceRecord(Part):
    """What the run was computed on."""

    type: str
    name: str
    threads: Count


class Durations(Part):
    """The only part of a record that differs between two runs of the same command; seconds."""

    training: Seconds
    evaluation: Seconds
    total: Seconds
    finished_at: str = Field(description="UTC, ISO 8601.")


class SealRecord(Part):
    """SHA-256 of what a record is made of; it differs between two runs by the seconds in their histories."""

    files: dict[str, Sha256] = Field(description="Of each file beside result.json that the run wrote.")
    record: Sha256 = Field(description="Of result.json without its seal: keys sorted, spaced as Python does.")


_SECONDS = TypeAdapter(Seconds)


class RunRecord(Part):
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
    final: Evaluation | None = Field(
        description="The last one, never the best; with training.early_stopping that of the weights kept. "
        "None when the loss stopped being finite."
    )
    diverged_at_step: Count | None = None
    config: dict[str, Any] | None = Field(
        default=None, description="What config.yaml says, of this one run; None in records of dba-cli 0.1."
    )
    config_hash: Sha256
    versions: dict[str, str]
    device: DeviceRecord
    stack: Annotated[int, Field(ge=1)] = Field(
        default=1, exclude=True, description="In records of dba-cli 0.1: seeds trained as one computation."
    )
    git_revision: str | None
    durations: Durations
    seal: SealRecord | None = Field(default=None, description="None in records of dba-cli 0.1.")

    @property
    def selects(self) -> bool:
        """Return whether the optimizer selects samples, and so has fractions and a trace of its choices."""
        return self.optimizer_kind == "dba"

    @property
    def settings(self) -> dict[str, Any]:
        """Return what determines the run, by dotted key, such as ``optimizer.lr``; empty without a config.

        Names and seeds are left out, and so are keys without a value.
        """
        if self.config is None:
            return {}
        return settings_of(self.config)

    @model_validator(mode="before")
    @classmethod
    def _seconds_of_final(cls, data: Any) -> Any:
        """Take the final evaluation's seconds from the durations, where alone they stand in the file."""
        match data:
            case {"final": {**final}, "durations": {"training": seconds}}:
                try:
                    _SECONDS.validate_python(seconds, strict=True)
                except ValidationError:
                    seconds = 0.0  # so that the durations are found at fault, not the evaluation
                return {**data, "final": {"seconds": seconds} | final}
        return data

    @field_serializer("final", mode="wrap")
    def _without_seconds(self, final: Evaluation | None, write: SerializerFunctionWrapHandler) -> Any:
        written = write(final)
        return {k: v for k, v in written.items() if k != "seconds"} if written else written

    @field_validator("final")
    @classmethod
    def _whole(cls, final: Evaluation | None) -> Evaluation | None:
        if final is not None:
            if final.train_loss is None or final.test_errors is None:
                raise ValueError("train_loss and test_errors must be there")
            if not (math.isfinite(final.train_loss) and math.isfinite(final.test_loss)):
                raise ValueError("losses must be finite")
        return final


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what determines the run of a narrowed config, as ``RunRecord.settings`` does."""
    parts = {k: v for k, v in config.items() if k not in ("experiment", "seeds", "optimizers")}
    entry = {k: v for k, v in config["optimizers"][0].items() if k != "name"}
    return _by_dotted_key(parts | {"optimizer": entry})


def _by_dotted_key(section: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": of for inner, of in _by_dotted_key(value).items()}
        elif value is not None:
            found[key] = value
    return found


class PaperFigures(Part):
    """What the paper states for an experiment, printed beside what was measured."""

    test_accuracy: Percent = Field(description="Test accuracy of DBA, per cent.")
    error_reduction: Percent = Field(description="Relative error reduction against SGD and Adam, per cent.")

    @property
    def implied_accuracy(self) -> float | None:
        """Return the accuracy of SGD and Adam that both figures imply, per cent.

        From reduction = 1 - (100 - accuracy) / (100 - implied). None where nothing between 0 and 100
        fits, as for a reduction of 100.
        """
        if self.error_reduction == 100:
            return None
        implied = 100 - (100 - self.test_accuracy) / (1 - self.error_reduction / 100)
        return implied if 0 <= implied <= 100 else None


class FailureRecord(Part):
    """Why a run has no record. A run that diverged is no failure: that is a result."""

    format: Literal[1] = 1
    experiment: str
    optimizer: str
    seed: Count
    config_hash: Sha256
    error: str = Field(description="The exception in one line.")
    traceback: str
    git_revision: str | None
    failed_at: str = Field(description="UTC, ISO 8601.")


class ExperimentRecord(Part):
    """Which runs make an experiment complete, and what the paper says of it."""

    format: Literal[1] = 1
    name: str
    description: str
    paper: PaperFigures | None
    optimizers: dict[str, Sha256] = Field(description="Entry name to the config hash of its runs.")
    seeds: list[Count]


class PointRecord(Part):
    """One point: the folder of its experiment, and what it sets."""

    name: str
    values: dict[str, Any] = Field(description="Dotted key of the config to value.")


class SweepRecord(Part):
    """A sweep: a results folder of its own, so that ``dba compare --results`` prints its points."""

    format: Literal[1] = 1
    experiment: str = Field(description="Name in the config that the points vary.")
    points: list[PointRecord] = Field(description="All that were ever asked for, in that order.")
