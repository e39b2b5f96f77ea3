"""Official files on disk, four IDX files in torchvision's layout: what each must be, and whether it is."""

import gzip
import hashlib
import math
import shlex
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dba_cli.data._torchvision import import_torchvision
from dba_cli.errors import UserError

_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class FileStatus:
    """One official file as it was found."""

    path: Path
    """The file, or its archive where that alone is there."""
    size: int | None
    """Bytes on disk; None when the file is missing."""
    problem: str | None
    """What is wrong, in a few words; None when nothing is."""
    expected_sha256: str | None
    """Of the unpacked file; None where it is not known: then a changed pixel goes unnoticed."""
    sha256: str | None
    """Of the unpacked file, where it was read whole."""


@dataclass(frozen=True)
class DataStatus:
    """The official files of one dataset below one data folder; none where a function makes the dataset."""

    folder: Path
    files: tuple[FileStatus, ...] = ()

    @property
    def complete(self) -> bool:
        """All files are in place and sound."""
        return all(file.problem is None for file in self.files)

    @property
    def absent(self) -> bool:
        """There should be files, and there is no trace of any."""
        return bool(self.files) and all(file.problem == "missing" for file in self.files)


@dataclass(frozen=True)
class IdxFile:
    """One IDX file of unsigned bytes: where it belongs and what it must be."""

    path: Path
    """Of the unpacked file; ``path`` with ``.gz`` is read where that alone is there."""
    shape: tuple[int, ...]
    """Dimensions in the header: (n, height, width) for images, (n,) for labels."""
    sha256: str | None
    """Expected digest of the unpacked file; None where it is not known."""
    classes: int

    @property
    def archive(self) -> Path:
        """The packed file, beside the unpacked one or instead of it."""
        return self.path.with_name(f"{self.path.name}.gz")

    @property
    def found(self) -> Path | None:
        """The file, or its archive where that alone is there."""
        return next((path for path in (self.path, self.archive) if path.is_file()), None)

    @property
    def header(self) -> bytes:
        """The expected first bytes: two zeros, 8 for unsigned bytes, the rank, then each dimension."""
        return struct.pack(f">BBBB{len(self.shape)}I", 0, 0, 8, len(self.shape), *self.shape)

    @property
    def size(self) -> int:
        """Expected size in bytes, unpacked."""
        return len(self.header) + math.prod(self.shape)

    def check(self) -> None:
        """Look at presence, size and header; a ValueError says in a few words what is wrong."""
        start, path = self.content(len(self.header)), self.found or self.path
        size = path.stat().st_size
        if path != self.path:  # the last four bytes of an archive are the size of what it holds
            size = int.from_bytes(path.read_bytes()[-4:], "little")
        if size != self.size:
            state = "truncated" if size < self.size else "too long"
            raise ValueError(f"{state}: expected {self.size:,} bytes, found {size:,}")
        if start != self.header:
            raise ValueError(f"not an IDX file of unsigned bytes with dimensions {self.shape}")

    def content(self, size: int | None = None) -> bytes:
        """Return the first ``size`` unpacked bytes, or all, but no more than one too many.

        ValueError as for `check`.
        """
        path, limit = self.found, self.size + 1 if size is None else size
        if path is None:
            raise ValueError("missing")
        try:
            with path.open("rb") as file:
                if path == self.path:
                    return file.read(limit)
                unpacker = zlib.decompressobj(wbits=31)  # gzip's format; a bomb is left packed
                content = unpacker.decompress(file.read(), limit)
        except zlib.error:
            raise ValueError("not a gzip archive, or only a part of one") from None
        except OSError as error:
            raise ValueError(f"unreadable: {error.strerror}") from error
        if len(content) < limit and not unpacker.eof:
            raise ValueError("not a gzip archive, or only a part of one")
        return content

    def read(self) -> Tensor:
        """Return the whole file as a uint8 tensor of its shape, all checked; ValueError as for `check`."""
        self.check()
        content = self.content()
        if len(content) != self.size:
            raise ValueError(f"not {self.size:,} bytes when it is read")
        if self.sha256 is not None:
            actual = hashlib.sha256(content).hexdigest()
            if actual != self.sha256:
                raise ValueError(f"corrupted: expected SHA-256 {self.sha256}, found {actual}")
        values = np.frombuffer(bytearray(content), np.uint8)[len(self.header) :].reshape(self.shape)
        if len(self.shape) == 1 and int(values.max()) >= self.classes:
            last = self.classes - 1
            raise ValueError(f"corrupted: a label {values.max()} where labels go from 0 to {last}")
        return torch.from_numpy(values)

    def status(self, whole: bool) -> FileStatus:
        """Look at the file, if ``whole`` at every byte of it."""
        path, problem, sha256 = self.found, None, None
        try:
            if whole:
                sha256 = hashlib.sha256(self.content()).hexdigest()
                self.read()
            self.check()
        except ValueError as error:
            problem = str(error)
        size = path.stat().st_size if path else None
        return FileStatus(path or self.path, size, problem, self.sha256, sha256)


@dataclass(frozen=True)
class IdxFiles:
    """The four files of a dataset, below the data folder."""

    folder: str
    """The folder's name, which is also that of torchvision's class."""
    sha256: tuple[str | None, ...] = (None,) * 4
    """Digests of the unpacked files, where known; of others only the structure can be checked."""
    image_shape: tuple[int, int, int] = (1, 28, 28)
    """(channels, height, width)."""
    classes: int = 10
    sizes: tuple[int, int] = (60_000, 10_000)
    """Images for training and for testing."""

    def raw(self, data_dir: Path) -> Path:
        """Return the folder of the files: MNIST/raw as torchvision has it, or MNIST where they are there."""
        plain = data_dir / self.folder
        return plain if any(file.found for file in self.within(plain)) else plain / "raw"

    def within(self, folder: Path) -> tuple[IdxFile, ...]:
        """Return the four files in ``folder``: training images, labels, test images, labels."""
        train, test = self.sizes
        size = self.image_shape[1:]
        shapes = ((train, *size), (train,), (test, *size), (test,))
        return tuple(
            IdxFile(folder / name, shape, sha256, self.classes)
            for name, shape, sha256 in zip(_NAMES, shapes, self.sha256, strict=True)
        )

    def official(self, data_dir: Path) -> bool:
        """Whether digests say that the four files, which have been read, are the official ones.

        Where no digest of the unpacked files is known, torchvision knows the MD5 of their archives: they must
        be there, beside the files or instead of them.
        """
        if all(self.sha256):
            return True
        files = self.within(self.raw(data_dir))
        if not all(file.archive.is_file() for file in files):
            return False
        known = getattr(import_torchvision().datasets, self.folder).resources
        with suppress(OSError, ValueError, EOFError, zlib.error):
            for file, (_, md5) in zip(files, known, strict=True):
                packed = file.archive.read_bytes()
                if hashlib.md5(packed, usedforsecurity=False).hexdigest() != md5:
                    return False
                if file.found == file.path and gzip.decompress(packed) != file.content():
                    return False
            return True
        return False

    def status(self, data_dir: Path, whole: bool = False) -> DataStatus:
        """Look at the four files below ``data_dir``, if ``whole`` at every byte of them."""
        folder = self.raw(data_dir)
        return DataStatus(folder, tuple(file.status(whole) for file in self.within(folder)))

    def check_folder(self, data_dir: Path) -> None:
        """Raise a UserError where ``data_dir`` is no folder and can become none, or is one level too deep."""
        if data_dir.exists() and not data_dir.is_dir():
            raise UserError(
                f"data folder {data_dir}: a file, not a folder: name the folder that holds {self.folder}/raw"
            )
        for inner in (data_dir / "raw", data_dir):
            if all(file.found for file in self.within(inner)):
                root = inner.parent.parent if inner.name == "raw" else inner.parent
                raise UserError(
                    f"data folder {data_dir}: the files are in {inner}, but the folder to name is the one"
                    f" above {self.folder}/raw: {root}"
                )


def bad_file(dataset: str, data_dir: Path, path: Path, problem: object) -> UserError:
    """Return the error for a file that is there but not as it must be."""
    command = f"{fetch_command(dataset, data_dir)} --force"
    return UserError(f"{path}: {problem}; to replace all four files run `{command}`")


def fetch_command(dataset: str, data_dir: Path) -> str:
    """Return the command line that puts the files in place; error messages end with it."""
    named = [] if dataset == "mnist" else ["--dataset", dataset]
    return shlex.join(["dba", "data", "fetch", *named, "--data", str(data_dir)])
