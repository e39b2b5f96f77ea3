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
    load,
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
    else:
        name = "full training set" if where.fraction == 1 else "random draw"
    if config.training.deformation is not None:
        name += ", deformed"
    return name + (", validation split" if config.data.evaluate_on == "validation" else "")


def drawn(config: DataConfig, data: ImageData, seed: int) -> Tensor:
    """Return the indices of the training images that a run sees, ascending; UserError if it is too large."""
    pool, sizes = _pool(config, data), _class_sizes(config, data)
    if config.draw.by == "facility_location":
        return facility_location(data, tuple(pool.tolist()), tuple(sizes))
    return pool[draw(data.train_labels[pool], sizes, generator(seed, Stream.DRAW))]


def draw_size(config: DataConfig, data: ImageData) -> int:
    """Return how many training images a run sees, whatever its seed; errors are those of `drawn`."""
    return sum(_class_sizes(config, data))


def _class_sizes(config: DataConfig, data: ImageData) -> list[int]:
    labels, share = data.train_labels[_pool(config, data)], config.draw.model_dump(exclude={"by"})
    return class_sizes(labels, **share, official_size=data.official_size)


def _pool(config: DataConfig, data: ImageData) -> Tensor:
    """Return the indices of the training images that a draw may take, ascending."""
    return _split(data)[0] if config.evaluate_on == "validation" else torch.arange(len(data.train_labels))


@lru_cache(maxsize=4)
def _split(data: ImageData) -> tuple[Tensor, Tensor]:
    """Return the indices of the training images beside the validation split, and its own, ascending."""
    n = len(data.train_labels)
    sizes = class_sizes(data.train_labels, fraction=(n // _VALIDATION_SHARE) / n, official_size=n)
    held_out = draw(data.train_labels, sizes, generator(_VALIDATION_SEED, Stream.VALIDATION))
    kept = torch.ones(n, dtype=torch.bool)
    kept[held_out] = False
    return kept.nonzero().flatten(), held_out


def check_images(config: Config, data: ImageData) -> None:
    """Raise a UserError where strokes are changed in colour images, or a class is too large to choose in."""
    channels = data.image_shape[0]
    deformation = config.training.deformation
    asked = {
        "data.preprocessing: deskew": config.data.preprocessing == "deskew",
        "training.deformation.thickness": deformation is not None and deformation.thickness > 0,
    }
    for key in [key for key, wanted in asked.items() if wanted and channels != 1]:
        raise UserError(
            f"{config.experiment.name}: {key} is for grey images of strokes, and {data.dataset} has "
            f"{channels} channels: leave it out"
        )
    largest = int(data.train_labels.bincount().max())
    if config.data.draw.by == "facility_location" and largest > FACILITY_LIMIT:
        raise UserError(
            f"{config.experiment.name}: data.draw.by: facility_location compares all images of a class, "
            f"at most {FACILITY_LIMIT:,}, and a class of {data.dataset} has {largest:,}: draw by: random"
        )


def drawn_images(
    config: DataConfig, data: ImageData, indices: Tensor, device: torch.device
) -> tuple[TensorData, Standardize | None]:
    """Return the images at the indices of a draw, in their order, prepared and on ``device``.

    With them, by their own pixels, what the network does first; None where the config asks for none.
    """
    images = _prepared(config, data.train_images[indices])
    standardize = None
    if config.standardize:
        std, mean = torch.std_mean(images.double(), correction=0)
        standardize = Standardize(mean.item(), max(std.item(), 1e-6))
    return TensorData(images.to(device), data.train_labels[indices].to(device)), standardize


def evaluation_samples(config: DataConfig, data: ImageData, device: torch.device) -> TensorData:
    """Return the images that a run is evaluated on, on ``device``: the test set, or the validation split."""
    images, labels = data.test_images, data.test_labels
    if config.evaluate_on == "validation":
        indices = _split(data)[1]
        images, labels = data.train_images[indices], data.train_labels[indices]
    return TensorData(_prepared(config, images).to(device), labels.to(device))


def _prepared(config: DataConfig, images: Tensor) -> Tensor:
    floats = as_floats(images)
    return deskew(floats) if config.preprocessing == "deskew" else floats


class Images:
    """The images of a command's runs: each dataset is read once, and prepared for evaluation once.

    ``notify`` gets a line where other data than the official stands in.
    """

    def __init__(self, data_dir: Path, notify: Callable[[str], None] = lambda line: None) -> None:
        self.data_dir, self._notify = data_dir, notify
        self._loaded: dict[tuple[str, str], ImageData] = {}
        self._evaluation: dict[tuple[str, torch.device], TensorData] = {}

    def of(self, config: DataConfig) -> ImageData:
        """Return the dataset that ``config`` names; UserError if it cannot be had."""
        key = (config.dataset, config.source)
        if key not in self._loaded:
            data = load(config.dataset, config.source, self.data_dir, notify=self._notify)
            # A run's config names the source that was found.
            self._loaded[key] = self._loaded[config.dataset, data.source] = data
        return self._loaded[key]

    def evaluation(self, config: DataConfig, device: torch.device) -> TensorData:
        """Return the images that a run is evaluated on, on ``device``."""
        key = (config.model_dump_json(exclude={"draw"}), device)
        if key not in self._evaluation:
            self._evaluation[key] = evaluation_samples(config, self.of(config), device)
        return self._evaluation[key]
