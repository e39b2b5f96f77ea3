"""The table of datasets: one row for each, the package's own and a user's."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dba_cli.data._embedded import load_digits, load_embedded
from dba_cli.data._idx import DataStatus, IdxFiles
from dba_cli.data._samples import Samples, joined
from dba_cli.data._torchvision_sets import TorchvisionSet, torchvision_set
from dba_cli.errors import UserError
from dba_cli.method import Registry

Arrays = tuple[Tensor, Tensor, Tensor, Tensor]
"""Training images, training labels, test images, test labels."""
Function = Callable[[Path], Any]
"""What makes a user's dataset; see `register_dataset`."""


@dataclass(frozen=True)
class Dataset:
    """A dataset as a config names it: official files, torchvision's, or a function that makes its images."""

    title: str
    """What tables call it."""
    origin: IdxFiles | TorchvisionSet | Function | None = None
    """None for what `path` names, and where `sample` is all there is."""
    sample: Callable[[], Arrays] | None = None
    """A part that needs neither disk nor network, for ``data.source: embedded``."""
    has_path: bool = False
    """Whether it is read from ``data.path``, the data of a user."""

    @property
    def files(self) -> IdxFiles | None:
        """The official IDX files; None for a dataset that has none."""
        return self.origin if isinstance(self.origin, IdxFiles) else None


DATASETS: Registry[Dataset] = Registry("dataset")
DATASETS.add(
    "mnist",
    Dataset(
        "MNIST",
        IdxFiles(
            "MNIST",
            sha256=(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        sample=load_embedded,
    ),
)
DATASETS.add("fashion_mnist", Dataset("Fashion-MNIST", IdxFiles("FashionMNIST")))
DATASETS.add("kmnist", Dataset("KMNIST", IdxFiles("KMNIST")))
DATASETS.add("digits", Dataset("scikit-learn's digits", sample=load_digits))
DATASETS.add("folder", Dataset("a folder of images", has_path=True))
DATASETS.add("npz", Dataset("an .npz", has_path=True))
DATASETS.add("csv", Dataset("a CSV", has_path=True))
DATASETS.add_library("torchvision", lambda name: Dataset(name, torchvision_set(name)))


def register_dataset(name: str, *, title: str | None = None) -> Callable[[Function], Function]:
    """Register a function that makes a dataset; a config names it ``data.dataset: module:name``.

    The function takes the data folder (a Path, of ``--data`` or DBA_DATA; it need not use it) and returns
    training images, training labels, test images and test labels, as tensors or NumPy arrays. Images are
    uint8, or floats in [0, 1], of shape (n, height, width) or (n, channels, height, width); a table is floats
    of shape (n, features). Labels are whole numbers 0, 1, ... of shape (n,), each of them among the training
    labels.

    Args:
        name: the name after the colon.
        title: what tables call it; its name if left out.

    Raises:
        ValueError: the name is taken, or contains a colon.
    """

    def register(function: Function) -> Function:
        DATASETS.add(name, Dataset(title or name, function))
        return function

    return register


def dataset_row(name: str) -> Dataset:
    """Return the row of a dataset; UserError if its name is unknown, or its module cannot be imported."""
    try:
        return DATASETS[name]
    except ValueError as error:
        raise UserError(f"data.dataset: {error}") from error


def status(dataset: str, data_dir: Path, *, whole: bool = False) -> DataStatus:
    """Look at presence, size and header of the official files of ``dataset`` below ``data_dir``.

    ``whole``: also read every byte and compare the SHA-256 where it is known, as loading does each time.

    Raises:
        UserError: ``dataset`` is unknown. Missing and bad files are findings, not errors.
    """
    files = dataset_row(dataset).files
    return files.status(data_dir, whole) if files else DataStatus(data_dir)


def made_by(function: Function, name: str, data_dir: Path) -> Samples:
    """Return what a user's ``function`` makes; UserError if it fails, or returns something else."""
    try:
        made = function(data_dir)
    except UserError:
        raise
    except Exception as error:  # a user's function: any line of it may fail
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"data.dataset: {name}: its function failed ({reason})") from error
    try:
        if not isinstance(made, (tuple, list)) or len(made) != 4:
            raise ValueError("not four values: training images and labels, test images and labels")
        train_images, train_labels, test_images, test_labels = made
        train, test = _images(train_images), _images(test_images)
        labels = _labels(train_labels, len(train)), _labels(test_labels, len(test))
        if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
            raise ValueError("its training and its test images differ in shape or type")
        trained = set(labels[0].tolist())
        gap = next(label for label in count() if label not in trained)
        if int(torch.cat(labels).max()) >= gap:
            raise ValueError(f"class {gap} has no training image: number the classes without gaps")
    except (TypeError, ValueError) as error:
        raise UserError(f"data.dataset: {name}: {error}") from error
    classes = tuple(map(str, range(gap)))
    sources = [
        [f"{part}[{i}]" for i in range(len(each))]
        for part, each in zip(("train", "test"), labels, strict=True)
    ]
    return joined(zip((train, test), labels, sources, strict=True), classes)


def _images(values: Any) -> Tensor:
    images = torch.as_tensor(values)
    if images.ndim == 2 and images.is_floating_point() and bool(images.isfinite().all()):
        return images.float()
    if images.ndim == 3:
        images = images.unsqueeze(1)
    if images.ndim != 4 or not images.numel():
        raise ValueError(
            f"images of shape {tuple(images.shape)}: not (n, height, width) or (n, channels, height, width)"
        )
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point() or not bool(((images >= 0) & (images <= 1)).all()):
        raise ValueError("images must be uint8, or floats from 0 to 1")
    return images.float()


def _labels(values: Any, n: int) -> Tensor:
    labels = torch.as_tensor(np.asarray(values))
    if labels.shape != (n,) or labels.is_floating_point() or labels.is_complex() or int(labels.min()) < 0:
        raise ValueError(f"labels must be {n} whole numbers 0, 1, ..., one for each image")
    return labels.long()
