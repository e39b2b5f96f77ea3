"""A person's own data, whatever form it has."""

from collections.abc import Callable
from pathlib import Path

from dba_cli.data._csv import read_csv
from dba_cli.data._folder import read_folder
from dba_cli.data._npz import read_npz
from dba_cli.data._samples import Samples
from dba_cli.errors import UserError, did_you_mean

_SUFFIXES = {".npz": "npz", ".csv": "csv", ".tsv": "csv", ".txt": "csv"}
READERS: dict[str, Callable[[Path], Samples]] = {"folder": read_folder, "npz": read_npz}


def read_data(path: Path | str, target: str | None = None) -> Samples:
    """Read a folder of images, a ``.npz`` or a CSV, told apart by what ``path`` is; nothing is written.

    A folder has one sub-folder per class, below ``train`` and ``test`` or not. A ``.npz`` has ``x`` and
    ``y``, or ``x_train`` and ``y_train`` and perhaps ``x_test`` and ``y_test``. A CSV has a header.

    Args:
        path: the folder or file.
        target: the column of a CSV that holds the classes; for nothing else.

    Raises:
        UserError: It cannot be read, or is not what it must be; one line says where and what mends it.
    """
    path = Path(path)
    form = form_of(path)
    if form == "csv":
        return read_csv(path, target)
    if target is not None:
        raise UserError(f"{path}: a target ({target!r:.60}) is a column of a CSV; leave it out")
    try:
        return READERS[form](path)
    except MemoryError:
        raise UserError(f"{path}: does not fit into memory: give fewer or smaller samples") from None


def form_of(path: Path) -> str:
    """Return ``folder``, ``npz`` or ``csv``; UserError where ``path`` is none of them."""
    try:
        if path.is_dir():
            return "folder"
        if path.is_file():
            if path.suffix.lower() in _SUFFIXES:
                return _SUFFIXES[path.suffix.lower()]
            raise UserError(f"{path}: give a folder of images, a .npz or a .csv")
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if path.exists():
        raise UserError(f"{path}: neither a folder nor a file")
    near = did_you_mean(path.name, beside)
    raise UserError(f"{path}: no such folder or file{near if near.startswith('; did') else ''}")


def keep_out(path: Path, written: Path, option: str = "--results DIR") -> None:
    """Raise a UserError where ``written``, a folder or file to be, is or lies in the data at ``path``."""
    data, place = path.resolve(), written.resolve()
    if place == data or (data.is_dir() and place.is_relative_to(data)):
        raise UserError(f"{written}: lies in {path}, in which nothing is written: give another {option}")
