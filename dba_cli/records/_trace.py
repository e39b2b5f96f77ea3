"""The selection trace: which candidates each layer chose, in every step, in a few bits each.

``trace.npz`` holds, per step, the candidates in ascending order as differences (small numbers, which
compress), the batch sizes, and one bit per candidate and layer.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dba_cli.errors import UserError
from dba_cli.records._files import read_bytes, write_atomically

Indices = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]
Packed = npt.NDArray[np.uint8]  # eight truth values in a byte
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class SelectionTrace:
    """What was selected: one entry per processed candidate, in the order of steps.

    Attributes:
        layers: names of the layers.
        images: position of the candidate in the run's draw.
        steps: number of its step, from 1.
        chosen: for each layer, whether the layer chose it.
    """

    layers: list[str]
    images: Indices
    steps: Indices
    chosen: dict[str, Bits]


def trace_arrays(images: Sequence[Indices], chosen: Mapping[str, Sequence[Packed]]) -> Arrays:
    """Return the arrays of the file, from each step's candidates, ascending, and layers' choices, packed."""
    sizes = np.array([len(of) for of in images], dtype=np.uint32)
    gaps = np.concatenate([np.diff(of, prepend=0) for of in images] or [np.zeros(0, int)])
    arrays: Arrays = {
        "sizes": sizes,
        "gaps": gaps.astype(np.min_scalar_type(int(gaps.max(initial=0)))),
        "layers": np.array(list(chosen)),
    }
    return arrays | {f"chosen{i}": np.concatenate(parts) for i, parts in enumerate(chosen.values())}


def read_trace(path: Path) -> SelectionTrace:
    """Read a ``trace.npz``.

    Raises:
        UserError: It is missing or damaged.
    """
    arrays = _read(path)
    try:
        images, packed = trace_steps(arrays)
        sizes = arrays["sizes"].astype(np.int64)
        steps = np.repeat(np.arange(1, len(sizes) + 1), sizes)
        chosen = {layer: _bits(parts, sizes) for layer, parts in packed.items()}
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: damaged trace ({error}); run again with --overwrite") from None
    return SelectionTrace(list(chosen), np.concatenate([sizes[:0], *images]), steps, chosen)


def trace_steps(arrays: Arrays) -> tuple[list[Indices], dict[str, list[Packed]]]:
    """Return the candidates of each step, and each layer's choice; a step's bits begin on a byte."""
    sizes = arrays["sizes"].astype(np.int64)
    images = [np.cumsum(gaps) for gaps in _split(arrays["gaps"].astype(np.int64), sizes)]
    layers = enumerate(arrays["layers"])
    return images, {str(layer): _split(arrays[f"chosen{i}"], (sizes + 7) // 8) for i, layer in layers}


def _split(array: npt.NDArray[Any], sizes: Indices) -> list[npt.NDArray[Any]]:
    """Return ``array`` in parts of these ``sizes``, which must use it up."""
    if sizes.ndim != 1 or array.shape != (sizes.sum(),):
        raise ValueError("lengths differ")
    return np.split(array, np.cumsum(sizes))[:-1]


def _bits(parts: list[Packed], sizes: Indices) -> Bits:
    unpacked = [np.unpackbits(part, count=size) for part, size in zip(parts, sizes.tolist(), strict=True)]
    return np.concatenate([np.zeros(0, np.uint8), *unpacked]).astype(bool)


def read_predictions(path: Path) -> npt.NDArray[np.generic]:
    """Read the predicted classes (n_test,).

    Raises:
        UserError: The file is missing or damaged.
    """
    arrays = _read(path)
    if "predicted" not in arrays or arrays["predicted"].dtype.kind != "u":
        raise UserError(f"{path}: damaged predictions; run again with --overwrite")
    return arrays["predicted"]


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write a trace, or ``predicted`` classes (n_test,), atomically."""
    out = io.BytesIO()
    # Without a date: the same arrays are the same bytes.
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    write_atomically(path, out.getvalue())


def _read(path: Path) -> Arrays:
    if (content := read_bytes(path)) is None:
        raise UserError(f"{path}: not there; runs with training.trace: true write it")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # The whole entry first: its checksum tells damage before an array's header asks for memory.
            members = {name: archive.read(name) for name in archive.namelist()}
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)
            for name, member in members.items()
        }
    except Exception as error:  # whatever a damaged archive makes the two readers raise
        raise UserError(f"{path}: damaged ({error}); run again with --overwrite") from None
