"""The official files on disk: what each must be, and whether it is."""

from __future__ import annotations

import hashlib
import math
import shlex
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dba_cli.errors import UserError, did_you_mean

NUM_CLASSES = 10
OFFICIAL_TRAIN_SIZE = 60_000
"""Number of images in the official training set of every dataset here; a draw's ``fraction`` is of these."""

_FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
DATASETS = tuple(_FOLDERS)
"""The names that ``load``, ``fetch``, ``status`` and ``verify`` take."""

_SHAPES = {
    "train-images-idx3-ubyte": (OFFICIAL_TRAIN_SIZE, 28, 28),
    "train-labels-idx1-ubyte": (OFFICIAL_TRAIN_SIZE,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}

# Only for MNIST are digests of the unpacked files known to us. For the others torchvision's MD5 of the
# archives guards the download, and the structure is all that can be checked afterwards.
_SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
}


@dataclass(frozen=True)
class OfficialFile:
    """One uncompressed IDX file in torchvision's layout: where it belongs and what it must be."""

    path: Path
    shape: tuple[int, ...]
    """Dimensions in the IDX header: (N, 28, 28) for images, (N,) for labels."""
    sha256: str | None
    """Expected digest of the whole file; None where it is not known."""

    @property
    def header(self) -> bytes:
        """The expected first bytes: two zeros, 8 for unsigned bytes, the rank, then each dimension."""
        return struct.pack(f">BBBB{len(self.shape)}I", 0, 0, 8, len(self.shape), *self.shape)

    @property
    def size(self) -> int:
        """Expected size in bytes."""
        return len(self.header) + math.prod(self.shape)


def check_dataset(dataset: str) -> None:
    """Raise a UserError unless ``dataset`` is one of DATASETS."""
    if dataset not in _FOLDERS:
        raise UserError(f"data.dataset: unknown dataset {dataset!r}{did_you_mean(dataset, list(DATASETS))}")


def check_folder(data_dir: Path) -> None:
    """Raise a UserError where ``data_dir`` is no folder and can become none, or is one level too deep."""
    if data_dir.exists() and not data_dir.is_dir():
        raise UserError(f"data folder {data_dir}: a file, not a folder: name the folder that holds MNIST/raw")
    for inner, root in ((data_dir / "raw", data_dir.parent), (data_dir, data_dir.parent.parent)):
        if data_dir.is_dir() and all((inner / name).is_file() for name in _SHAPES):
            raise UserError(
                f"data folder {data_dir}: the files are in {inner}, but the folder to name is the one above"
                f" MNIST/raw: {root}"
            )


def torchvision_class(dataset: str) -> str:
    """Return the name of torchvision's class, which is also the name of its folder below the data folder."""
    check_dataset(dataset)
    return _FOLDERS[dataset]


def raw_folder(dataset: str, data_dir: Path) -> Path:
    """Return the folder that holds the four files, as torchvision lays them out: data_dir/MNIST/raw."""
    return data_dir / torchvision_class(dataset) / "raw"


def official_files(dataset: str, folder: Path) -> tuple[OfficialFile, ...]:
    """Return the four files of ``dataset`` in ``folder``: training images, labels, test images, labels."""
    digests = _SHA256.get(dataset, {})
    return tuple(OfficialFile(folder / name, shape, digests.get(name)) for name, shape in _SHAPES.items())


def fetch_command(dataset: str, data_dir: Path, *, force: bool = False) -> str:
    """Return the command line that puts the files in place; error messages end with it."""
    words = ["dba", "data", "fetch"]
    words += [] if dataset == "mnist" else ["--dataset", dataset]
    words += ["--data", str(data_dir)]
    return shlex.join([*words, "--force"] if force else words)


def structure_problem(file: OfficialFile) -> str | None:
    """Say in a few words what is wrong with a file's presence, size or header; None when nothing is."""
    if not file.path.is_file():
        archive = file.path.with_name(f"{file.path.name}.gz")
        return (
            f"missing, only {archive.name} is there (unpack it with gunzip)"
            if archive.exists()
            else "missing"
        )
    found = file.path.stat().st_size
    if found != file.size:
        state = "truncated" if found < file.size else "too long"
        return f"{state}: expected {file.size:,} bytes, found {found:,}"
    with file.path.open("rb") as stream:
        if stream.read(len(file.header)) != file.header:
            return f"not an IDX file of unsigned bytes with dimensions {file.shape}"
    return None


def read(file: OfficialFile) -> Tensor:
    """Read one file whole, every check included, as a uint8 tensor of shape ``file.shape``.

    Raises:
        ValueError: something is wrong with the file; the message says what in a few words, without the path.
        OSError: the file cannot be read.
    """
    problem = structure_problem(file)
    if problem:
        raise ValueError(problem)
    content = np.fromfile(file.path, dtype=np.uint8)
    if file.sha256 is not None:
        actual = hashlib.sha256(content.data).hexdigest()
        if actual != file.sha256:
            raise ValueError(f"corrupted: expected SHA-256 {file.sha256}, found {actual}")
    values = content[len(file.header) :].reshape(file.shape)
    if len(file.shape) == 1 and int(values.max()) >= NUM_CLASSES:
        raise ValueError(
            f"corrupted: a label {int(values.max())} where labels go from 0 to {NUM_CLASSES - 1}"
        )
    return torch.from_numpy(values)
