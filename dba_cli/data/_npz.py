"""NumPy's archives: images or tables ``x``, labels ``y``."""

import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dba_cli.data._samples import Samples, check_size, classified, joined, standardised
from dba_cli.errors import UserError, did_you_mean, one_line, printable

_TRAIN, _TEST = (("x_train", "y_train"), ("x", "y")), ("x_test", "y_test")
_KNOWN = ("x", "y", "x_train", "y_train", "x_test", "y_test", "classes", "columns")
_RATIO = 1100  # no compression of a .npz packs more bytes into one

Array = npt.NDArray[Any]


def read_npz(path: Path) -> Samples:
    """Read ``x_train`` and ``y_train``, and ``x_test`` and ``y_test`` if they are there; or ``x`` and ``y``.

    x are images (n, height, width), (n, height, width, channels) or (n, channels, height, width) of one
    or three channels, or a table (n, features). Bytes are pixels as they are, and so are whole numbers from
    0 to 255; of other images the smallest and the largest value of the training part become 0 and 1, unless
    all are between them already. y are whole numbers or texts, (n,) or (n, 1). ``classes`` may hold a name
    for each of the numbers 0, 1, ..., and ``columns`` for each feature.

    Raises:
        UserError: No such arrays, pickled ones, a header that says more than there is, or values of no use.
    """
    arrays = _arrays(path)
    x_name, y_name = next((pair for pair in _TRAIN if pair[0] in arrays), ("", ""))
    if not x_name or y_name not in arrays or ((_TEST[0] in arrays) != (_TEST[1] in arrays)):
        held = ", ".join(arrays) or "nothing"
        raise UserError(
            f"{path}: holds {held}: give x_train and y_train, and x_test and y_test if there is a test part;"
            " or x and y"
        )
    if {"x", "x_train"} <= arrays.keys() or (x_name == "x" and _TEST[0] in arrays):
        raise UserError(f"{path}: holds x beside x_train or x_test: keep x_train and x_test, or x")
    pairs = [(x_name, y_name)] + [_TEST] * (_TEST[0] in arrays)
    labels = [_labels(path, y, arrays[y], len(np.atleast_1d(arrays[x]))) for x, y in pairs]
    classes, numbers = classified(labels, path)
    if "classes" in arrays:
        classes = _named(path, arrays["classes"], classes)
    samples = _samples(path, {x: arrays[x] for x, _ in pairs})
    columns: tuple[str, ...] = ()
    if samples[0].ndim == 2:
        columns = tuple(f"column {i}" for i in range(samples[0].shape[1]))
        if "columns" in arrays:
            columns = _texts(path, "columns", arrays["columns"], samples[0].shape[1])
    sources = [[f"{x}[{i}]" for i in range(len(arrays[x]))] for x, _ in pairs]
    return joined(zip(samples, numbers, sources, strict=True), classes, columns=columns)


def _arrays(path: Path) -> dict[str, Array]:
    """Return the arrays by name, each looked at before it is read; nothing that is pickled is loaded."""
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name not in _KNOWN:
                    near = did_you_mean(name, list(_KNOWN))
                    raise UserError(f"{path}: an array {name!r:.60} that nothing reads{near}")
                with archive.open(info) as file:
                    _check_header(path, name, file, info)
                with archive.open(info) as file:
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged or hostile file makes the readers raise
        raise UserError(f"{path}: no readable .npz ({one_line(error):.100})") from None
    return arrays


def _check_header(path: Path, name: str, file: Any, info: zipfile.ZipInfo) -> None:
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise UserError(f"{path}: {name} has a version of header, {version}, that no plain array needs")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise UserError(
            f"{path}: {name} holds pickled objects, which could run anything: save numbers or texts"
        )
    check_size(shape, dtype.itemsize, f"{path}: {name}")
    size = dtype.itemsize * prod(shape)
    there = info.file_size - file.tell()
    if min((0, *shape)) < 0 or size != there or there > _RATIO * max(info.compress_size, 1):
        raise UserError(
            f"{path}: {name}: its header says {dtype} of shape {shape!s:.80}, {size:,} bytes, but the file"
            f" holds {min(there, _RATIO * info.compress_size):,}: damaged, or made to look larger"
        )


def _labels(path: Path, name: str, values: Array, n: int) -> Array:
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,) or not n:
        raise UserError(
            f"{path}: {name} has the shape {values.shape!s:.80}, but labels must be ({n},), one for each of"
            f" {n} samples"
        )
    if values.dtype.kind not in "iubU":
        mend = f": save {name}.astype(int) if they are whole numbers" if values.dtype.kind == "f" else ""
        raise UserError(f"{path}: {name} holds {values.dtype}: labels are whole numbers or texts{mend}")
    return values


def _named(path: Path, names: Array, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the classes, which are numbers so far."""
    found = _texts(path, "classes", names, len(names) if names.ndim else 0)
    try:
        numbers = [int(each) for each in classes]
        if min(numbers) < 0:
            raise IndexError
        return tuple(found[number] for number in numbers)
    except (ValueError, IndexError):
        raise UserError(
            f"{path}: classes names {len(found)} classes, 0 to {len(found) - 1}, but the labels are"
            f" {', '.join(classes):.60}"
        ) from None


def _texts(path: Path, name: str, values: Array, n: int) -> tuple[str, ...]:
    texts = tuple(printable(str(value)) for value in values.reshape(-1))
    if values.dtype.kind != "U" or values.shape != (n,) or len(set(texts)) != n:
        raise UserError(
            f"{path}: {name} must be {n} different texts, not {values.dtype} of shape {values.shape}"
        )
    return texts


def _samples(path: Path, parts: dict[str, Array]) -> list[Tensor]:
    for name, values in parts.items():
        if values.dtype.kind not in "iubf" or values.ndim not in (2, 3, 4) or not values.size:
            raise UserError(
                f"{path}: {name} is {values.dtype} of shape {values.shape!s:.80}: samples are numbers, images"
                " (n, height, width) with or without channels, or a table (n, features)"
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            first = np.argwhere(~np.isfinite(values))[0].tolist()
            raise UserError(
                f"{path}: {name}{first} is {values[tuple(first)]}: fill or remove what is missing"
            )
    first_name, first = next(iter(parts.items()))
    last = list(parts.values())[-1]
    if first.shape[1:] != last.shape[1:] or first.dtype.kind != last.dtype.kind:
        raise UserError(
            f"{path}: {' and '.join(parts)} differ: {first.dtype} {first.shape!s:.60} and {last.dtype}"
            f" {last.shape!s:.60}"
        )
    if first.ndim == 2:
        for name, values in parts.items():
            check_size(values.shape, 8, f"{path}: {name}")
        return standardised([values.astype(np.float64) for values in parts.values()])
    return [_channels_first(path, first_name, values) for values in _pixels(list(parts.values()))]


def _pixels(parts: list[Array]) -> list[Array]:
    """Return images as bytes, or as float32 from 0 to 1 as far as the first part decides."""
    if parts[0].dtype.kind == "b":
        return [part.astype(np.uint8) * np.uint8(255) for part in parts]
    low, high = float(parts[0].min()), float(parts[0].max())
    if parts[0].dtype.kind != "f" and all(part.min() >= 0 and part.max() <= 255 for part in parts):
        return [part.astype(np.uint8) for part in parts]
    if low < 0 or high > 1:
        span = (high - low) or 1.0
        return [((part.astype(np.float64) - low) / span).clip(0, 1).astype(np.float32) for part in parts]
    return [part.astype(np.float32).clip(0, 1) for part in parts]


def _channels_first(path: Path, name: str, images: Array) -> Tensor:
    if images.ndim == 3:
        images = images[:, None]
    else:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first == last:
            which = "both could be the channels" if first else "neither is one or three channels"
            raise UserError(
                f"{path}: {name} has the shape {images.shape!s:.80}: of its second and its last dimension"
                f" {which}; give (n, height, width), or (n, height, width, 3)"
            )
        if last:
            images = images.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(images))
