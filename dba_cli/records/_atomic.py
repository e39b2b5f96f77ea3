"""Files that are either whole or not there."""

import contextlib
import os
import tempfile
from pathlib import Path

from dba_cli.errors import UserError

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
