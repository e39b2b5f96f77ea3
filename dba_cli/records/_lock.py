"""One process at a time in a folder: a lock that the operating system takes back from a dead owner."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dba_cli.errors import UserError

_NAME = ".lock"
_POLL_SECONDS = 0.2


@contextmanager
def locked(folder: Path, *, wait: bool = False, until: Callable[[], bool] | None = None) -> Iterator[bool]:
    """Hold the lock of ``folder`` and yield True; where another process holds it, yield False or ``wait``.

    Waiting ends, and False is yielded, when ``until`` comes true. It is the system's lock on an open
    file: whoever dies, by SIGKILL or by a power cut, holds it no more.

    Raises:
        UserError: No lock can be had there.
    """
    # Never a lock that is a mere file: that would outlive its owner.
    lock = FileLock(folder / _NAME, fallback_to_soft=False)
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
