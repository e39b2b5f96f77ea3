"""Images and labels from the first source that has them, never silently from another than was meant."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from dba_cli.data._datasets import Dataset, dataset_row, made_by
from dba_cli.data._download import download
from dba_cli.data._embedded import NOTICE
from dba_cli.data._idx import IdxFiles, bad_file, fetch_command
from dba_cli.errors import UserError


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
    source: Literal["official", "embedded", "auto"],
    data_dir: Path,
    notify: Callable[[str], None],
) -> ImageData:
    """Load a dataset whole; MNIST has 60 000 + 10 000 images if official, 1 000 + 4 000 if embedded.

    ``official`` reads the files in ``data_dir`` (torchvision's layout) and, where there is no trace of them,
    downloads them first; a dataset that a function makes is made. ``embedded`` touches neither disk nor
    network. ``auto`` is official where that can be had and else the embedded sample. Files that are present
    but bad, or not all there, are an error under ``auto`` too. MNIST's SHA-256 is checked on each load.

    Args:
        dataset: one of DATASETS, or ``module:name``; only ``mnist`` has an embedded sample.
        source: which of these.
        data_dir: torchvision's root folder; need not exist.
        notify: told, one line a call, of a download and of its failure, and the ``notice`` of embedded data.

    Raises:
        UserError: an unknown name, bad files or images, or no source left.
    """
    row = dataset_row(dataset)
    if source == "embedded":
        return _embedded(dataset, row, notify)
    if not isinstance(row.origin, IdxFiles):
        arrays = made_by(row.origin, dataset, data_dir)
        classes, size = int(arrays[1].max()) + 1, len(arrays[1])
        return ImageData(dataset, "official", *arrays, classes, size, row.title)
    files = row.origin
    files.check_folder(data_dir)
    found = files.status(data_dir)
    if found.absent:
        notify(f"{dataset}: no official files in {found.folder}: trying the download")
        try:
            download(files, data_dir)
        except UserError as error:
            if source == "auto" and row.sample is not None:
                notify(f"{dataset}: the download failed: {error}")
                return _embedded(dataset, row, notify)
            only = f" (only mnist has an embedded sample, {dataset} has none)" if row.sample is None else ""
            raise UserError(
                f"{dataset}: no official files in {found.folder}, and the download failed:"
                f" {error}{only}; name the folder that has them with --data DIR or DBA_DATA, or run"
                f" `{fetch_command(dataset, data_dir)}` where there is a network"
            ) from error
    tensors = []
    for file in files.within(found.folder):
        try:
            tensors.append(file.read())
        except ValueError as error:
            raise bad_file(dataset, data_dir, file.found or file.path, error) from error
    train_images, train_labels, test_images, test_labels = tensors
    arrays = train_images.unsqueeze(1), train_labels.long(), test_images.unsqueeze(1), test_labels.long()
    return ImageData(dataset, "official", *arrays, files.classes, files.sizes[0], row.title)


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


def _embedded(dataset: str, row: Dataset, notify: Callable[[str], None]) -> ImageData:
    if row.sample is None or row.files is None:
        raise UserError(
            f"data.source: embedded: only mnist has an embedded sample, {dataset} has none: use data.source:"
            " official"
        )
    notify(NOTICE)
    classes, size = row.files.classes, row.files.sizes[0]
    return ImageData(dataset, "embedded", *row.sample(), classes, size, row.title, NOTICE)
