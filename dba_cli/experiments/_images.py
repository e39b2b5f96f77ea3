"""Which images a run trains on and is evaluated on, by its protocol."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from dba_cli.config import Config, DataConfig
from dba_cli.data import (
    DeformedImages,
    ImageData,
    class_sizes,
    deskew,
    draw,
    facility_location,
    load,
    to_tensors,
)
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
    """Return the indices of the training images that a run sees, ascending.

    Raises:
        UserError: The source cannot give such a draw.
    """
    pool = _without_validation(data) if config.evaluate_on == "validation" else None
    labels = data.train_labels if pool is None else data.train_labels[pool]
    where = config.draw
    if where.by == "facility_location":
        sizes = class_sizes(labels, fraction=where.fraction, per_class=where.per_class)
        members = None if pool is None else tuple(pool.tolist())
        return facility_location(data, members, tuple(sizes))
    indices = draw(
        labels, fraction=where.fraction, per_class=where.per_class, generator=generator(seed, Stream.DRAW)
    )
    return indices if pool is None else pool[indices]


def training_samples(
    config: Config, data: ImageData, indices: Tensor, seed: int, device: torch.device
) -> TensorData | DeformedImages:
    """Return the drawn images as training reads them, on ``device``."""
    images = _prepared(config.data, data.train_images[indices]).to(device)
    labels = data.train_labels[indices].to(device)
    if config.training.deformation is None:
        return TensorData(images, labels)
    stream = generator(seed, Stream.DEFORMATION)
    return DeformedImages(images, labels, config.training.deformation, stream)


def evaluation_samples(config: DataConfig, data: ImageData, device: torch.device) -> TensorData:
    """Return the images that a run is evaluated on, on ``device``: the test set, or the validation split."""
    images, labels = data.test_images, data.test_labels
    if config.evaluate_on == "validation":
        indices = _validation(data)
        images, labels = data.train_images[indices], data.train_labels[indices]
    return TensorData(_prepared(config, images).to(device), labels.to(device))


def standardizer(config: DataConfig, data: ImageData, indices: Tensor) -> Standardize | None:
    """Return the standardisation by the drawn images' own pixels, None where the config asks for none."""
    if not config.standardize:
        return None
    pixels = _prepared(config, data.train_images[indices])
    std, mean = torch.std_mean(pixels.double(), correction=0)
    return Standardize(mean.item(), max(std.item(), 1e-6))


def _prepared(config: DataConfig, images: Tensor) -> Tensor:
    floats = to_tensors(images)
    return deskew(floats) if config.preprocessing == "deskew" else floats


@lru_cache(maxsize=4)
def _validation(data: ImageData) -> Tensor:
    n = len(data.train_labels)
    return draw(
        data.train_labels,
        fraction=(n // _VALIDATION_SHARE) / n,
        official_size=n,
        generator=generator(_VALIDATION_SEED, Stream.VALIDATION),
    )


@lru_cache(maxsize=4)
def _without_validation(data: ImageData) -> Tensor:
    kept = torch.ones(len(data.train_labels), dtype=torch.bool)
    kept[_validation(data)] = False
    return kept.nonzero().flatten()


def draw_size(config: DataConfig, data: ImageData) -> int:
    """Return how many training images a run sees, whatever its seed.

    Raises:
        UserError: The source cannot give such a draw.
    """
    pool = _without_validation(data) if config.evaluate_on == "validation" else None
    labels = data.train_labels if pool is None else data.train_labels[pool]
    return sum(class_sizes(labels, fraction=config.draw.fraction, per_class=config.draw.per_class))


class Images:
    """The images of a command's runs: each dataset is read once, and prepared for evaluation once.

    ``notify`` gets a line where other data than the official stands in.
    """

    def __init__(self, data_dir: Path, notify: Callable[[str], None] = lambda line: None) -> None:
        self._data_dir, self._notify = data_dir, notify
        self._loaded: dict[tuple[str, str], ImageData] = {}
        self._evaluation: dict[tuple[str, torch.device], TensorData] = {}

    def of(self, config: DataConfig) -> ImageData:
        """Return the dataset that ``config`` names.

        Raises:
            UserError: It cannot be had.
        """
        key = (config.dataset, config.source)
        if key not in self._loaded:
            data = load(config.dataset, config.source, self._data_dir, notify=self._notify)
            # A run's config names the source that was found.
            self._loaded[key] = self._loaded[config.dataset, data.source] = data
        return self._loaded[key]

    def evaluation(self, config: DataConfig, device: torch.device) -> TensorData:
        """Return the images that a run is evaluated on, on ``device``."""
        key = (config.model_dump_json(exclude={"draw"}), device)
        if key not in self._evaluation:
            self._evaluation[key] = evaluation_samples(config, self.of(config), device)
        return self._evaluation[key]
