"""Which images a run trains on and is evaluated on, by its protocol."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from dba_cli.config import Config, DataConfig
from dba_cli.data import (
    FACILITY_LIMIT,
    ImageData,
    as_floats,
    class_sizes,
    deskew,
    draw,
    facility_location,
    imbalanced,
    load,
    noisy,
)
from dba_cli.errors import UserError
from dba_cli.training import Standardize, Stream, TensorData, generator

_VALIDATION_SHARE = 6  # one training image in six: 10 000 of the official 60 000, as many as the test set
_VALIDATION_SEED = 0  # one split for all runs, whatever their seeds


def protocol(config: Config) -> str:
    """Return the name of what ``config`` may see and use (see docs/protocols.md)."""
    where = config.data.draw
    if config.training.step_budget is not None:
        name = f"step budget {config.training.step_budget}"
    elif where.by != "random":
        name = "selected draw"
    elif where.indices is not None:
        name = "listed draw"
    else:
        name = "full training set" if where.fraction == 1 else "random draw"
    data = config.data
    if data.imbalance is not None:
        name += f", imbalance {data.imbalance.ratio:g}"
    if data.repeat > 1:
        name += f", every sample {data.repeat} times"
    if data.noise is not None:
        name += f", {100 * data.noise.rate:.10g} % {data.noise.kind} label noise"
    if data.trusted is not None:
        name += f", {data.trusted.per_class} trusted per class"
    if config.training.deformation is not None:
        name += ", deformed"
    if data.holdout is not None:
        name += f", hold-outs of {100 * data.holdout:.10g} %"
    if data.evaluate_on != "test":
        name += ", validation split"
    wrong = data.evaluate_on == "noisy_validation" and data.noise is not None
    return f"{name} with labels as wrong" if wrong else name


def drawn(config: DataConfig, data: ImageData, seed: int) -> Tensor:
    """Return the indices of the training images that a run sees, ascending; with `repeat` each so many times.

    Raises:
        UserError: The source cannot give such a draw.
    """
    pool, sizes = _pool(config, data, seed), _class_sizes(config, data)
    if config.draw.indices is not None:
        indices = _listed(config.draw.indices, data, pool)
    elif config.draw.by == "facility_location":
        indices = facility_location(data, tuple(pool.tolist()), tuple(sizes))
    else:
        indices = pool[draw(data.train_labels[pool], sizes, generator(seed, Stream.DRAW))]
    if config.imbalance is not None:
        fewer = imbalanced(sizes, config.imbalance.ratio)
        indices = indices[draw(data.train_labels[indices], fewer, generator(seed, Stream.IMBALANCE))]
    return indices.repeat_interleave(config.repeat)


def trained_labels(config: DataConfig, data: ImageData, indices: Tensor, seed: int) -> Tensor:
    """Return the labels (n,) that a run trains on at the indices of its draw: those of the data, or noisy."""
    labels = data.train_labels[indices]
    if config.noise is None:
        return labels
    once, noise = labels[:: config.repeat], config.noise
    wrong = noisy(once, data.num_classes, noise.kind, noise.rate, generator(seed, Stream.NOISE))
    return wrong.repeat_interleave(config.repeat)


def trusted(config: DataConfig, data: ImageData, drawn: Tensor, seed: int) -> Tensor:
    """Return the indices of the trusted images of a run, ascending, none of them ``drawn``.

    Raises:
        UserError: The source cannot give so many beside the draw.
    """
    if config.trusted is None:
        return drawn[:0]
    pool = _pool(config, data, seed)
    pool = pool[torch.isin(pool, drawn, invert=True)]
    labels, wanted = data.train_labels[pool], config.trusted.per_class
    counts = labels.bincount(minlength=data.num_classes)
    if (fewest := int(counts.min())) < wanted:
        raise UserError(
            f"data.trusted.per_class: {wanted} images of each class beside the draw, but "
            f"{data.name_of(int(counts.argmin()))} has only {fewest} left: "
            + (f"use {fewest} or less" if fewest else "draw fewer, or leave it out")
        )
    return pool[draw(labels, [wanted] * data.num_classes, generator(seed, Stream.TRUSTED))]


def held_out_for_stopping(config: Config, n: int, seed: int) -> Tensor | None:
    """Return which of the n samples of a draw only early stopping looks at, ascending; None: it is off."""
    stopping = config.training.early_stopping
    if stopping is None:
        return None
    size = min(n - 1, max(1, round(stopping.share * n)))
    return torch.randperm(n, generator=generator(seed, Stream.STOPPING))[:size].sort().values


def training_size(config: Config, data: ImageData) -> int:
    """Return how many images a run trains on, whatever its seed; errors are those of `drawn`."""
    sizes = _class_sizes(config.data, data)
    if config.data.imbalance is not None:
        sizes = imbalanced(sizes, config.data.imbalance.ratio)
    samples = sum(sizes) * config.data.repeat
    if config.data.trusted is not None:  # as many are left whatever the seed
        trusted(config.data, data, drawn(config.data, data, 0), 0)
    held_out = held_out_for_stopping(config, samples, 0)
    return samples - (0 if held_out is None else len(held_out))


def _class_sizes(config: DataConfig, data: ImageData) -> list[int]:
    if config.draw.indices is not None:
        listed = _listed(config.draw.indices, data, _pool(config, data, 0))
        sizes: list[int] = data.train_labels[listed].bincount(minlength=data.num_classes).tolist()
        return sizes
    # As many of each class whatever the seed.
    labels = data.train_labels[_pool(config, data, 0)]
    share = config.draw.model_dump(include={"fraction", "per_class"})
    held_out = 0 if config.holdout is None else len(_held_out(data, config.holdout, 0))
    return class_sizes(labels, **share, official_size=data.official_size - held_out)


def _listed(indices: list[int], data: ImageData, pool: Tensor) -> Tensor:
    """Return the indices of a list, ascending; UserError where the pool of the draws lacks one."""
    found = torch.tensor(indices).sort().values
    missing = found[~torch.isin(found, pool)].tolist()
    if missing:
        n = len(data.train_labels)
        why = "it is of the validation split or the hold-out, which are in no draw"
        if missing[0] >= n:
            why = f"{data.title} has {n:,} training samples here, the first of them 0"
        raise UserError(f"data.draw.indices: sample {missing[0]:,} cannot be drawn: {why}")
    return found


def _pool(config: DataConfig, data: ImageData, seed: int) -> Tensor:
    """Return the indices of the training samples that a draw may take, ascending."""
    return _parts(config, data, seed)[0]


def _parts(config: DataConfig, data: ImageData, seed: int) -> tuple[Tensor, Tensor | None]:
    """Return the indices of what a draw may take, and of what is evaluated; None is the test part."""
    n, held_out = len(data.train_labels), None
    if config.holdout is not None:
        held_out = _held_out(data, config.holdout, seed)
    if config.evaluate_on != "test":
        validation = _validation(data)
        taken = validation if held_out is None else torch.cat([validation, held_out])
        return _others(n, taken), validation
    return _others(n, torch.arange(0) if held_out is None else held_out), held_out


@lru_cache(maxsize=4)
def _held_out(data: ImageData, share: float, seed: int) -> Tensor:
    """Return the indices of a seed's hold-out, ascending.

    It has nothing of the validation split, so that no sample which something was chosen by is tested on,
    whatever the seed; and it leaves one of each class beside both.
    """
    n, validation = len(data.train_labels), _validation(data)
    pool = _others(n, validation)
    labels = data.train_labels[pool]
    size = min(max(1, round(share * n)), len(pool))
    sizes = class_sizes(labels, fraction=size / len(pool), official_size=len(pool))
    counts = labels.bincount(minlength=data.num_classes).tolist()
    fewer = [max(0, min(size, count - 1)) for size, count in zip(sizes, counts, strict=True)]
    return pool[draw(labels, fewer, generator(seed, Stream.HOLDOUT))]


@lru_cache(maxsize=4)
def _validation(data: ImageData) -> Tensor:
    """Return the indices of the validation split, ascending."""
    n = len(data.train_labels)
    sizes = class_sizes(data.train_labels, fraction=max(1, n // _VALIDATION_SHARE) / n, official_size=n)
    return draw(data.train_labels, sizes, generator(_VALIDATION_SEED, Stream.VALIDATION))


def _others(n: int, some: Tensor) -> Tensor:
    """Return the other ones of n indices, ascending."""
    kept = torch.ones(n, dtype=torch.bool)
    kept[some] = False
    return kept.nonzero().flatten()


def check_images(config: Config, data: ImageData) -> None:
    """Raise a UserError where the config asks for what such samples cannot give.

    They are tested on nothing, pixels of a table are changed, or strokes of colour images; a class is too
    large to choose in, or too small to hold something out.
    """
    name, deformation = config.experiment.name, config.training.deformation
    if config.data.holdout is not None and len(data.test_labels):
        raise UserError(f"{name}: data.holdout: {data.title} has a test part: leave the hold-out out")
    if config.data.holdout is None and not len(data.test_labels) and config.data.evaluate_on == "test":
        raise UserError(
            f"{name}: {data.title} has no test part: give data.holdout, such as 0.2, the share that each run"
            " is tested on"
        )
    if int(data.train_labels.bincount().min()) < 2 and config.data.holdout is not None:
        rare = data.name_of(int(data.train_labels.bincount().argmin()))
        raise UserError(f"{name}: data.holdout: class {rare} has one sample: add some, or remove the class")
    if data.is_table and (config.data.preprocessing != "none" or deformation is not None):
        key = "training.deformation" if deformation is not None else "data.preprocessing"
        raise UserError(f"{name}: {key} is for images, and {data.title} is a table: leave it out")
    channels = 1 if data.is_table else data.image_shape[0]
    strokes = {
        "data.preprocessing: deskew": config.data.preprocessing == "deskew",
        "training.deformation.thickness": deformation is not None and deformation.thickness > 0,
    }
    for key in [key for key, wanted in strokes.items() if wanted and channels != 1]:
        raise UserError(
            f"{config.experiment.name}: {key} is for grey images of strokes, and {data.dataset} has "
            f"{channels} channels: leave it out"
        )
    for key in ("brightness", "contrast", "saturation", "hue"):
        if channels not in (1, 3) and deformation is not None and getattr(deformation, key) > 0:
            raise UserError(
                f"{config.experiment.name}: training.deformation.{key} is for images of one or three "
                f"channels, and {data.dataset} has {channels}: leave it out"
            )
    largest = int(data.train_labels.bincount().max())
    if config.data.draw.by == "facility_location" and largest > FACILITY_LIMIT:
        raise UserError(
            f"{config.experiment.name}: data.draw.by: facility_location compares all images of a class, "
            f"at most {FACILITY_LIMIT:,}, and a class of {data.dataset} has {largest:,}: draw by: random"
        )


def drawn_images(
    config: DataConfig, data: ImageData, indices: Tensor, device: torch.device, seed: int
) -> tuple[TensorData, Standardize | None]:
    """Return the samples at the indices of a draw, in their order, prepared and on ``device``.

    With them, by their own values, what the network does first; None where the config asks for none. Labels
    are those that the run of this seed trains on.
    """
    images = _prepared(config, data.train_images[indices])
    standardize = standardizer(images) if config.standardize else None
    labels = trained_labels(config, data, indices, seed)
    return TensorData(images.to(device), labels.to(device)), standardize


def images_as_they_are(
    config: DataConfig, data: ImageData, indices: Tensor, device: torch.device
) -> TensorData:
    """Return training samples at indices, prepared like those of a draw, with the labels of the data."""
    images = _prepared(config, data.train_images[indices])
    return TensorData(images.to(device), data.train_labels[indices].to(device))


def standardizer(samples: Tensor) -> Standardize:
    """Return what gives images (n, channels, height, width) or tables (n, features) mean 0 and deviation 1.

    Each column of a table by itself; what is constant is only shifted, what is missing (NaN) gets the mean.
    """
    if samples.ndim == 2:
        values = samples.double()
        filled = torch.where(values.isnan(), values.nanmean(0).nan_to_num(), values)
        std, mean = torch.std_mean(filled, dim=0, correction=0)
        std[std < 1e-6] = 1
        return Standardize(mean.float(), std.float())
    std, mean = torch.std_mean(samples.double(), correction=0)
    return Standardize(mean.item(), max(std.item(), 1e-6))


def evaluation_samples(config: DataConfig, data: ImageData, device: torch.device, seed: int) -> TensorData:
    """Return what a run of a seed is evaluated on: the test set, its hold-out, or the validation split."""
    images, labels = data.test_images, data.test_labels
    indices = _parts(config, data, seed)[1]
    if indices is not None:
        images, labels = data.train_images[indices], data.train_labels[indices]
    if config.evaluate_on == "noisy_validation" and config.noise is not None:
        stream = generator(_VALIDATION_SEED, Stream.VALIDATION_NOISE)
        labels = noisy(labels, data.num_classes, config.noise.kind, config.noise.rate, stream)
    return TensorData(_prepared(config, images).to(device), labels.to(device))


def _prepared(config: DataConfig, images: Tensor) -> Tensor:
    floats = as_floats(images)
    if images.ndim == 2 and not config.standardize:
        return floats.nan_to_num()  # what is missing gets the reader's mean, which is 0
    return deskew(floats) if config.preprocessing == "deskew" else floats


class Images:
    """The images of a command's runs: each dataset is read once, and prepared for evaluation once.

    ``notify`` gets a line where other data than the official stands in.
    """

    def __init__(self, data_dir: Path, notify: Callable[[str], None] = lambda line: None) -> None:
        self.data_dir, self._notify = data_dir, notify
        self._loaded: dict[str, ImageData] = {}
        self._evaluation: dict[tuple[str, torch.device, int], TensorData] = {}

    def of(self, config: DataConfig) -> ImageData:
        """Return the dataset that ``config`` names; UserError if it cannot be had."""
        key = _which(config)
        if key not in self._loaded:
            data = load(config.dataset, config.source, self.data_dir, self._notify, **config.own)
            # A run's config says what was found.
            found = config.model_copy(update={"source": data.source, "sha256": data.sha256})
            self._loaded[key] = self._loaded[_which(found)] = data
        return self._loaded[key]

    def evaluation(self, config: DataConfig, device: torch.device, seed: int) -> TensorData:
        """Return the samples that a run of a seed is evaluated on, on ``device``."""
        every = config.holdout is None  # and then whatever the seed
        unseen = {"draw", "imbalance", "repeat", "trusted"}
        if config.evaluate_on != "noisy_validation":
            unseen.add("noise")
        whose = config.model_dump_json(exclude=unseen)
        key = (whose, device, 0 if every else seed)
        if key not in self._evaluation:
            self._evaluation[key] = evaluation_samples(config, self.of(config), device, seed)
        return self._evaluation[key]


def _which(config: DataConfig) -> str:
    return config.model_dump_json(include={"dataset", "source", "path", "target", "sha256"})
