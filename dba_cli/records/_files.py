"""Files that are either whole or not there, and one process at a time in a folder."""

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from dba_cli.errors import UserError, printable

if TYPE_CHECKING:
    import pandas as pd

_Model = TypeVar("_Model", bound=BaseModel)
_LOCK = ".lock"
LARGEST_RECORD = 2**26
"""Bytes of a JSON file that one of ours can have."""
_POLL_SECONDS = 0.2

# It can only be read by setting it: once, while there is one thread.
_UMASK = os.umask(0o077)
os.umask(_UMASK)

UNFINISHED = ".tmp"
"""How the name of a file ends while it is being written: what a killed process leaves."""


def write_atomically(path: Path, content: str | bytes, *, flush: bool = True) -> None:
    """Write ``content``, text as UTF-8, to ``path``: beside it, flushed to the disk, then renamed into place.

    A reader, or a machine that stops at any moment, sees the old file or the new one. Without ``flush``,
    which takes a disk's time, that holds for readers and for a process that is killed, but for no power cut.

    Raises:
        UserError: The folder cannot be written or the disk is full; no partial file is left.
    """
    temporary = None
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            # A file renamed into its place would remove a device or a pipe.
            raise UserError(f"{path}: cannot be written (it is no regular file)")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            if flush:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp makes private files; give what the user's umask would.
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
        if flush:
            _sync_folder(path.parent)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        # Gone where it was renamed; left over by whatever stopped the write, Ctrl-C included.
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def read_bytes(path: Path, limit: int | None = None) -> bytes | None:
    """Return the content of a file; None where there is none.

    A device, a pipe or a folder is refused before it is opened, which could wait for ever; so is a file of
    more than ``limit`` bytes.

    Raises:
        UserError: It is no such file, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = os.strerror(errno.EISDIR) if stat.S_ISDIR(status.st_mode) else "it is no regular file"
            raise UserError(f"{path}: cannot be read ({what})")
        if limit is not None and status.st_size > limit:
            size = f"{status.st_size:,} bytes, more than {limit:,}"
            raise UserError(f"{path}: cannot be read (it has {size})")
        with path.open("rb") as file:
            return file.read(-1 if limit is None else limit)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except MemoryError:
        raise UserError(f"{path}: cannot be read (it does not fit into memory)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def read_model(path: Path, model: type[_Model]) -> _Model | None:
    """Return what a JSON file says, None where there is none; of a damaged one, say which value is."""
    content = read_bytes(path, LARGEST_RECORD)
    return None if content is None else parse_model(path, content, model)


def parse_model(path: Path, content: bytes, model: type[_Model]) -> _Model:
    """Return what the content of a JSON file says; of a damaged one, say which value is."""
    try:
        return model.model_validate(_showable(json.loads(content.decode())))
    except ValidationError as error:
        raise UserError(f"{path}: damaged record: {first_fault(error)}; delete it and run again") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: damaged record: not valid JSON; delete it and run again") from None


def _showable(value: Any) -> Any:
    """Return what a JSON file says with nothing in it that moves a cursor or changes a terminal's colours."""
    if isinstance(value, str):
        return value if value.isprintable() else "\n".join(printable(line) for line in value.split("\n"))
    if isinstance(value, list):
        return [_showable(each) for each in value]
    if isinstance(value, dict):
        return {_showable(key): _showable(each) for key, each in value.items()}
    return value


def first_fault(error: ValidationError) -> str:
    """Return the first of the values that are wrong, by dotted key, and what is wrong with it."""
    fault = error.errors(include_url=False)[0]
    where = ".".join(f"{step!s:.60}" for step in fault["loc"]) or "the whole"
    return f"{where}: {fault['msg']}"


def csv_text(table: "pd.DataFrame") -> str:
    """Return a table as CSV in which no text is a formula: one that begins like it gets an apostrophe."""
    safe = table.apply(lambda column: column if column.dtype.kind in "biuf" else column.map(_no_formula))
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _no_formula(cell: object) -> object:
    # As spreadsheets read them; a number in a column of texts is none.
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell


def ensure_writable(folder: Path) -> None:
    """Make ``folder`` and prove that files can be made in it, before hours are spent on filling it.

    Raises:
        UserError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder}: cannot be written ({reason}); give another --results DIR") from None


def _sync_folder(folder: Path) -> None:
    # The rename itself must reach the disk; not every system can open a folder (Windows cannot).
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked(folder: Path, *, wait: bool = False, until: Callable[[], bool] | None = None) -> Iterator[bool]:
    """Hold the lock of ``folder`` and yield True; where another process holds it, yield False or ``wait``.

    Waiting ends, and False is yielded, when ``until`` comes true. It is the system's lock on an open
    file: whoever dies, by SIGKILL or by a power cut, holds it no more.

    Raises:
        UserError: No lock can be had there.
    """
    # Never a lock that is a mere file: that would outlive its owner.
    lock = FileLock(folder / _LOCK, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=-1 if wait else 0, poll_interval=_POLL_SECONDS, cancel_check=until)
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{folder}: cannot be locked ({reason}); give another --results DIR") from None
    if not lock.is_locked:
        yield False
        return
    try:
        yield True
    finally:
        # Removed while it is held: whoever opened it meanwhile sees that it has no name and starts over.
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
