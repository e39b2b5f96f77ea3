"""Labelled samples in memory, from whatever they were read."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dba_cli.errors import UserError, printable

MEMORY_LIMIT = 4 * 2**30
"""Bytes that the samples of one source may take: what declares more is refused before memory is taken."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples on the CPU, as they were read: nothing is shuffled or drawn."""

    samples: Tensor
    """Images (n, channels, height, width), uint8 or float32 in [0, 1]; or a table (n, features), float32, NaN
    where a number is missing."""
    labels: Tensor
    """int64 in 0 .. len(classes) - 1, shape (n,)."""
    classes: tuple[str, ...]
    """Names of the classes, in the order of their numbers."""
    sources: tuple[str, ...]
    """Where each sample came from: a path below the folder, ``row 7``, or ``x_train[7]``."""
    test: "Samples | None" = None
    """The test part, with the same classes and columns; None where none was given."""
    columns: tuple[str, ...] = ()
    """Names of a table's features; empty for images."""
    notes: tuple[str, ...] = ()
    """What the reader did that a person should know, in sentences."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (channels, height, width) of an image, (features,) of a table's row."""
        return tuple(self.samples.shape[1:])

    @property
    def is_table(self) -> bool:
        """Whether the samples are rows of a table, not images."""
        return self.samples.ndim == 2

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 (hexadecimal) of all samples, labels and names, the test part included."""
        digest = hashlib.sha256()
        for part in (self, self.test):
            if part is None:
                continue
            names = [list(part.samples.shape), str(part.samples.dtype), part.classes, part.columns]
            digest.update(repr(names).encode())
            digest.update(part.samples.contiguous().numpy().tobytes())
            digest.update(part.labels.numpy().astype("<i8").tobytes())
        return digest.hexdigest()


Labels = npt.NDArray[Any]
"""Whole numbers or names, one for each sample."""


def joined(
    parts: Iterable[tuple[Tensor, Tensor, Iterable[str]]],
    classes: tuple[str, ...],
    *,
    columns: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Samples:
    """Return samples of one part, or of a training and a test part: samples, labels and sources of each."""
    train, *test = [
        Samples(samples, labels, classes, tuple(sources), columns=columns)
        for samples, labels, sources in parts
    ]
    return replace(train, test=test[0] if test else None, notes=notes)


def classified(labels: Sequence[Labels], where: Path | str) -> tuple[tuple[str, ...], list[Tensor]]:
    """Return the names of the classes in ascending order, and the labels of each part as their numbers.

    The first part is the training part.

    Raises:
        UserError: One class, fewer than two samples of each, or a class that only the test part has.
    """
    train, *others = labels
    names, places = np.unique(train, return_inverse=True)
    if len(names) < 2:
        raise UserError(
            f"{where}: all {len(train)} samples are of class {names[0]!s:.60}: give at least two classes"
        )
    if len(train) < 2 * len(names):
        raise UserError(
            f"{where}: {len(train)} samples of {len(names)} classes are fewer than two of each: are these"
            " labels classes, or names of single samples?"
        )
    numbers = [torch.from_numpy(places.reshape(-1).astype(np.int64))]
    for test in others:
        unknown = np.setdiff1d(test, names)
        if len(unknown):
            raise UserError(
                f"{where}: class {unknown[0]!s:.60} has test samples and no training sample: add some,"
                " or take it out of the test part"
            )
        numbers.append(torch.from_numpy(np.searchsorted(names, test).astype(np.int64)))
    return tuple(printable(str(name)) for name in names), numbers


def check_size(shape: Sequence[int], itemsize: int, where: object) -> None:
    """Raise a UserError where an array would not fit into MEMORY_LIMIT, before it is made."""
    # Python's integers: those of an array would overflow.
    size = itemsize * prod(map(int, shape))
    if size > MEMORY_LIMIT:
        raise UserError(
            f"{where}: an array of shape {tuple(shape)!s:.80} takes {size / 2**30:,.1f} GiB, above the"
            f" {MEMORY_LIMIT // 2**30} GiB that are read: give fewer or smaller samples"
        )


def standardised(parts: Sequence[npt.NDArray[np.float64]]) -> list[Tensor]:
    """Return tables (n, features) as float32, each column with the first part's mean 0 and deviation 1.

    A column that is constant there is only shifted. NaN stays, and counts as the mean of the others.
    """
    # By the largest value first: squares of what a float64 can hold overflow.
    scale = np.nanmax(np.abs(parts[0]), axis=0, keepdims=True)
    scale[scale == 0] = 1
    scaled = parts[0] / scale
    scaled = np.where(np.isnan(scaled), np.nanmean(scaled, axis=0), scaled)
    mean, deviation = scaled.mean(axis=0), scaled.std(axis=0)
    deviation[np.ptp(scaled, axis=0) == 0] = 1
    deviation[deviation == 0] = 1
    most = float(np.finfo(np.float32).max)
    return [
        torch.from_numpy((((part / scale) - mean) / deviation).clip(-most, most).astype(np.float32))
        for part in parts
    ]
