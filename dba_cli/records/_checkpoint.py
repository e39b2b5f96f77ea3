"""Checkpoints: the whole state of a run under way, in PyTorch's file format, read without running it."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dba_cli.errors import UserError
from dba_cli.records._files import read_bytes, write_atomically

_FORMAT = 1  # raise it when a state of before cannot be gone on from


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state of tensors, numbers, texts, lists and dicts atomically.

    Raises:
        UserError: The folder cannot be written or the disk is full; the checkpoint of before stays.
    """
    import torch  # here: reading records does without

    out = io.BytesIO()
    torch.save({"format": _FORMAT, "state": dict(state)}, out)
    write_atomically(path, out.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the state, on the CPU; None where there is none.

    Nothing in the file is run: what is not data, such as a pickled object or function, is refused.

    Raises:
        UserError: It is damaged, cannot be read or holds more than data.
    """
    import torch

    if (content := read_bytes(path)) is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # torch.load does not look at the checksums
            if damaged := archive.testzip():
                raise ValueError(f"damaged: {damaged}")
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not (isinstance(found, dict) and found.get("format") == _FORMAT):
            raise ValueError("of another version")
        state: dict[str, Any] = found["state"]
    except Exception as error:  # whatever a damaged or hostile file makes the two readers raise
        text = str(error) or type(error).__name__
        reason = "it holds pickled code" if "weights_only" in text.lower() else text[:100]
        raise UserError(f"{path}: no usable checkpoint ({' '.join(reason.split())})") from None
    return state
