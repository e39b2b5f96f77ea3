"""Images and labels from the first source that has them, never silently from another than was meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from dba_cli.data._download import Progress, download
from dba_cli.data._embedded import NOTICE, load_embedded
from dba_cli.data._files import (
    NUM_CLASSES,
    check_dataset,
    check_folder,
    fetch_command,
    official_files,
    raw_folder,
    read,
)
from dba_cli.data._probe import DownloadError
from dba_cli.data._status import status
from dba_cli.errors import UserError, did_you_mean

SOURCES = ("official", "embedded", "auto")


@dataclass(frozen=True, eq=False)
class ImageData:
    """One dataset in memory, on the CPU, as the source gives it: nothing is scaled, shuffled or drawn."""

    dataset: str
    source: Literal["official", "embedded"]
    """Where the images really came from: "official" or "embedded", never "auto"."""
    train_images: Tensor
    """uint8, shape (N, 28, 28)."""
    train_labels: Tensor
    """int64 in 0..9, shape (N,)."""
    test_images: Tensor
    """uint8, shape (M, 28, 28)."""
    test_labels: Tensor
    """int64 in 0..9, shape (M,)."""
    num_classes: int = NUM_CLASSES
    notice: str | None = None
    """A line that must stand beside every figure from this data; None for official data."""


def load(
    dataset: str,
    source: str,
    data_dir: Path,
    notify: Callable[[str], None],
    *,
    progress: Progress | None = None,
) -> ImageData:
    """Load a dataset whole: 60 000 + 10 000 images if official, 1 000 + 4 000 if embedded.

    ``official`` reads the files in ``data_dir`` (torchvision's layout) and, where there is no trace of them,
    downloads them first. ``embedded`` touches neither disk nor network. ``auto`` is official where that can
    be had and else the embedded sample. Files that are present but bad, or not all there, are an error
    under ``auto`` too. MNIST's SHA-256 is checked on each load.

    Args:
        dataset: one of DATASETS; only ``mnist`` has an embedded sample.
        source: one of SOURCES.
        data_dir: torchvision's root folder; need not exist.
        notify: told, one line a call, of a download and of its failure, and the ``notice`` of embedded data.
        progress: told the bytes of each file while downloading; see ``fetch``.

    Raises:
        UserError: an unknown name, bad files, or no source left.
    """
    check_dataset(dataset)
    if source not in SOURCES:
        raise UserError(f"data.source: unknown source {source!r}{did_you_mean(source, list(SOURCES))}")
    if source == "embedded":
        return _embedded(dataset, notify)
    check_folder(data_dir)
    if status(dataset, data_dir).absent:
        notify(f"{dataset}: no official files in {raw_folder(dataset, data_dir)}: trying the download")
        try:
            download(dataset, data_dir, progress)
        except DownloadError as error:
            if source == "official" or dataset != "mnist":
                raise UserError(_nothing_left(dataset, data_dir, error)) from error
            notify(f"mnist: the download failed: {error}")
            return _embedded(dataset, notify)
    return _official(dataset, data_dir)


def _official(dataset: str, data_dir: Path) -> ImageData:
    tensors = []
    for file in official_files(dataset, raw_folder(dataset, data_dir)):
        try:
            tensors.append(read(file))
        except (ValueError, OSError) as error:
            problem = str(error) if isinstance(error, ValueError) else f"unreadable: {error.strerror}"
            raise UserError(
                f"{file.path}: {problem}; to replace all four files run"
                f" `{fetch_command(dataset, data_dir, force=True)}`"
            ) from error
    train_images, train_labels, test_images, test_labels = tensors
    return ImageData(dataset, "official", train_images, train_labels.long(), test_images, test_labels.long())


def _embedded(dataset: str, notify: Callable[[str], None]) -> ImageData:
    if dataset != "mnist":
        raise UserError(
            f"data.source: embedded: only mnist has an embedded sample, {dataset} has none: use data.source:"
            " official"
        )
    train_images, train_labels, test_images, test_labels = load_embedded()
    notify(NOTICE)
    return ImageData(dataset, "embedded", train_images, train_labels, test_images, test_labels, notice=NOTICE)


def _nothing_left(dataset: str, data_dir: Path, error: DownloadError) -> str:
    only = "" if dataset == "mnist" else f" (only mnist has an embedded sample, {dataset} has none)"
    return (
        f"{dataset}: no official files in {raw_folder(dataset, data_dir)}, and the download failed:"
        f" {error}{only}; name the folder that has them with --data DIR or DBA_DATA, or run"
        f" `{fetch_command(dataset, data_dir)}` where there is a network"
    )
