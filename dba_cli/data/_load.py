"""Images and labels from the first source that has them, never silently from another than was meant."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from dba_cli.data._datasets import Arrays, Dataset, dataset_row, made_by
from dba_cli.data._download import DownloadError, Progress, download
from dba_cli.data._embedded import NOTICE
from dba_cli.data._idx import IdxFiles, fetch_command
from dba_cli.data._status import status
from dba_cli.errors import UserError, did_you_mean

SOURCES = ("official", "embedded", "auto")


@dataclass(frozen=True, eq=False)
class ImageData:
    """One dataset in memory, on the CPU, as the source gives it: nothing is scaled, shuffled or drawn."""

    dataset: str
    """Its name in DATASETS."""
    source: Literal["official", "embedded"]
    """Where the images really came from: "official" or "embedded", never "auto"."""
    train_images: Tensor
    """uint8, or float32 in [0, 1], shape (N, channels, height, width)."""
    train_labels: Tensor
    """int64 in 0 .. num_classes - 1, shape (N,)."""
    test_images: Tensor
    """As the training images, shape (M, channels, height, width)."""
    test_labels: Tensor
    """int64 in 0 .. num_classes - 1, shape (M,)."""
    num_classes: int
    official_size: int
    """Number of training images that a draw's fraction of 1 stands for, however many this source has."""
    title: str
    """What tables call the dataset."""
    notice: str | None = None
    """A line that must stand beside every figure from this data; None for official data."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width


def as_floats(images: Tensor) -> Tensor:
    """Return images, uint8 or float, as float32 in [0, 1].

    The usual MNIST constants (mean 0.1307, standard deviation 0.3081) are deliberately not applied: they were
    computed from the whole training set, and the protocol of a random draw is that nothing outside the draw
    is touched, labels or pixels.
    """
    return images if images.is_floating_point() else images.float() / 255


def load(
    dataset: str,
    source: str,
    data_dir: Path,
    notify: Callable[[str], None],
    *,
    progress: Progress | None = None,
) -> ImageData:
    """Load a dataset whole; MNIST has 60 000 + 10 000 images if official, 1 000 + 4 000 if embedded.

    ``official`` reads the files in ``data_dir`` (torchvision's layout) and, where there is no trace of them,
    downloads them first; a dataset that a function makes is made. ``embedded`` touches neither disk nor
    network. ``auto`` is official where that can be had and else the embedded sample. Files that are present
    but bad, or not all there, are an error under ``auto`` too. MNIST's SHA-256 is checked on each load.

    Args:
        dataset: one of DATASETS, or ``module:name``; only ``mnist`` has an embedded sample.
        source: one of SOURCES.
        data_dir: torchvision's root folder; need not exist.
        notify: told, one line a call, of a download and of its failure, and the ``notice`` of embedded data.
        progress: told the bytes of each file while downloading; see ``fetch``.

    Raises:
        UserError: an unknown name, bad files or images, or no source left.
    """
    row = dataset_row(dataset)
    if source not in SOURCES:
        raise UserError(f"data.source: unknown source {source!r}{did_you_mean(source, list(SOURCES))}")
    if source == "embedded":
        return _embedded(dataset, row, notify)
    if not isinstance(row.origin, IdxFiles):
        arrays = made_by(row.origin, dataset, data_dir)
        return _image_data(dataset, row, "official", arrays)
    row.origin.check_folder(data_dir)
    if status(dataset, data_dir).absent:
        notify(f"{dataset}: no official files in {row.origin.raw(data_dir)}: trying the download")
        try:
            download(dataset, data_dir, progress)
        except DownloadError as error:
            if source == "official" or row.sample is None:
                raise UserError(_nothing_left(dataset, row, data_dir, error)) from error
            notify(f"{dataset}: the download failed: {error}")
            return _embedded(dataset, row, notify)
    return _image_data(dataset, row, "official", _official(dataset, row.origin, data_dir))


def image_shape_and_classes(dataset: str, data_dir: Path) -> tuple[tuple[int, int, int], int]:
    """Return (channels, height, width) and the number of classes; official files need not be there.

    Raises:
        UserError: ``dataset`` is unknown, or its function fails.
    """
    files = dataset_row(dataset).files
    if files is not None:
        return files.image_shape, files.classes
    data = load(dataset, "official", data_dir, lambda line: None)
    return data.image_shape, data.num_classes


def _image_data(
    dataset: str,
    row: Dataset,
    source: Literal["official", "embedded"],
    arrays: Arrays,
    notice: str | None = None,
) -> ImageData:
    files, labels = row.files, arrays[1]
    classes, size = (int(labels.max()) + 1, len(labels)) if files is None else (files.classes, files.sizes[0])
    return ImageData(dataset, source, *arrays, classes, size, row.title, notice)


def _official(dataset: str, files: IdxFiles, data_dir: Path) -> Arrays:
    tensors = []
    for file in files.below(data_dir):
        try:
            tensors.append(file.read())
        except ValueError as error:
            raise UserError(
                f"{file.found or file.path}: {error}; to replace all four files run"
                f" `{fetch_command(dataset, data_dir, force=True)}`"
            ) from error
    train_images, train_labels, test_images, test_labels = tensors
    return train_images.unsqueeze(1), train_labels.long(), test_images.unsqueeze(1), test_labels.long()


def _embedded(dataset: str, row: Dataset, notify: Callable[[str], None]) -> ImageData:
    if row.sample is None:
        raise UserError(
            f"data.source: embedded: only mnist has an embedded sample, {dataset} has none: use data.source:"
            " official"
        )
    notify(NOTICE)
    return _image_data(dataset, row, "embedded", row.sample(), NOTICE)


def _nothing_left(dataset: str, row: Dataset, data_dir: Path, error: DownloadError) -> str:
    only = f" (only mnist has an embedded sample, {dataset} has none)" if row.sample is None else ""
    return (
        f"{dataset}: no official files in {status(dataset, data_dir).folder}, and the download failed:"
        f" {error}{only}; name the folder that has them with --data DIR or DBA_DATA, or run"
        f" `{fetch_command(dataset, data_dir)}` where there is a network"
    )
