"""torchvision's download, put into place whole or not at all."""

import http.client
import os
import socket
import tempfile
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlsplit

from dba_cli.data._datasets import dataset_row
from dba_cli.data._idx import IdxFiles, fetch_command
from dba_cli.data._status import DataStatus, status
from dba_cli.data._torchvision import import_torchvision
from dba_cli.errors import UserError

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far and its total bytes (None where the server does not say)."""

OFFLINE_VARIABLE = "DBA_OFFLINE"
PROBE_LIMIT_S = 4.0
"""Seconds for all mirrors together to answer at all, however they hang."""
STALL_LIMIT_S = 5.0
"""Seconds without a byte after which a connection is given up."""

_FAILURES = (OSError, RuntimeError, http.client.HTTPException, EOFError, zlib.error)


class DownloadError(Exception):
    """A download that failed: why, in one line, without what to do about it."""


def fetch(
    dataset: str, data_dir: Path, *, progress: Progress | None = None, force: bool = False
) -> DataStatus:
    """Make sure that the official files of ``dataset`` are in ``data_dir``, by torchvision's download.

    Sound files that are there already are kept and no network is used. A download goes to a temporary folder
    inside ``data_dir`` and is renamed into place when all four files have passed their checks, so an
    interrupted one leaves nothing behind.

    Args:
        dataset: one of DATASETS.
        data_dir: torchvision's root folder; made if missing.
        progress: told the bytes of each compressed file; without it the download is silent.
        force: download again and replace whatever is there.

    Returns:
        The status of the files in place.

    Raises:
        UserError: a function makes the dataset; files are there but bad and ``force`` is off; or the download
            failed (no network, offline by DBA_OFFLINE, folder not writable, wrong checksum).
    """
    files = dataset_row(dataset).files
    if files is None:
        raise UserError(f"{dataset} is made by its module: there are no official files")
    files.check_folder(data_dir)
    before = status(dataset, data_dir)
    if before.complete and not force:
        return before
    if not before.absent and not force:
        bad = next(file for file in before.files if file.problem)
        raise UserError(
            f"{bad.path}: {bad.problem}; to replace all four files run"
            f" `{fetch_command(dataset, data_dir, force=True)}`"
        )
    try:
        download(dataset, data_dir, progress)
    except DownloadError as error:
        raise UserError(
            f"{dataset} cannot be downloaded into {data_dir}: {error}; mend that and try again, or copy the"
            f" four files to {before.folder} from another machine"
        ) from error
    return status(dataset, data_dir)


def download(dataset: str, data_dir: Path, progress: Progress | None = None) -> None:
    """Download the four files and put them into place, replacing what is there.

    Raises:
        DownloadError: it failed, within seconds of the last byte; the files in place are as they were.
    """
    files = dataset_row(dataset).files
    assert files is not None
    if os.environ.get(OFFLINE_VARIABLE, "0") not in {"", "0"}:
        raise DownloadError(f"the network is switched off by {OFFLINE_VARIABLE}")
    try:
        source = getattr(import_torchvision().datasets, files.folder)
    except UserError as error:
        raise DownloadError(str(error)) from error
    mirrors = reachable(source.mirrors, source.resources[-1][0])
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dba-fetch-", dir=data_dir) as temporary:
            # A folder inside, because the temporary one is closed to everybody but its owner.
            folder = Path(temporary, "raw")
            folder.mkdir()
            for filename, md5 in source.resources:
                _download_file(mirrors, filename, md5, folder, progress)
            _put_into_place(files, folder, files.raw(data_dir))
    except OSError as error:
        where, reason = error.filename or data_dir, error.strerror or _one_line(error)
        raise DownloadError(f"cannot write to {where}: {reason}") from error


def reachable(mirrors: Sequence[str], filename: str, limit_s: float = PROBE_LIMIT_S) -> list[str]:
    """Return the mirrors that answer a request for ``filename``, in the given order.

    All are asked at once, and the wait ends with the first in that order that answers: those after it are
    in the result only if they have answered by then. urllib makes the requests, as it makes torchvision's,
    so that proxies and certificates are the same. Each has a daemon thread, because a name look-up that
    hangs obeys no timeout.

    Raises:
        DownloadError: no mirror answered within ``limit_s`` seconds; gives each one's reason.
    """
    deadline = time.monotonic() + limit_s
    failures: dict[str, str | None] = {}

    def ask(mirror: str) -> None:
        request = urllib.request.Request(mirror + filename, headers={"User-Agent": "pytorch/vision"})
        try:
            with urllib.request.urlopen(request, timeout=limit_s):
                failures[mirror] = None
        except Exception as error:  # whatever it is, this mirror is of no use
            failures[mirror] = _one_line(error)

    threads = [threading.Thread(target=ask, args=(mirror,), daemon=True) for mirror in mirrors]
    for thread in threads:
        thread.start()
    for mirror, thread in zip(mirrors, threads, strict=True):
        thread.join(max(0.0, deadline - time.monotonic()))
        if failures.get(mirror, "no answer") is None:
            break
    silence = f"no answer within {limit_s:g} s"
    answers = {mirror: failures.get(mirror, silence) for mirror in mirrors}
    found = [mirror for mirror in mirrors if answers[mirror] is None]
    if not found:
        reasons = [f"{_host(mirror)}: {answers[mirror]}" for mirror in mirrors]
        raise DownloadError(f"no mirror can be reached ({'; '.join(reasons)})")
    return found


def _download_file(
    mirrors: list[str], filename: str, md5: str, folder: Path, progress: Progress | None
) -> None:
    """Download and unpack one archive; a mirror that fails is taken off ``mirrors``, for later files too."""
    utils = import_torchvision().datasets.utils
    reasons = []
    while mirrors:
        try:
            with _bounded_and_reported(utils, filename, progress):
                utils.download_and_extract_archive(
                    mirrors[0] + filename, str(folder), md5=md5, remove_finished=True
                )
            return
        except _FAILURES as error:
            reasons.append(f"{_host(mirrors.pop(0))}: {_one_line(error)}")
    raise DownloadError(f"{filename} failed ({'; '.join(reasons)})")


def _put_into_place(files: IdxFiles, folder: Path, target: Path) -> None:
    for file in files.within(folder):
        try:
            file.read()
        except ValueError as error:
            raise DownloadError(f"the downloaded {file.path.name} is wrong: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        folder.rename(target)
        return
    for file in files.within(folder):
        file.path.replace(target / file.path.name)


@contextmanager
def _bounded_and_reported(utils: Any, filename: str, progress: Progress | None) -> Iterator[None]:
    """Bound every socket made meanwhile, and hand the updates of torchvision's tqdm bar to ``progress``.

    torchvision opens its connections without a timeout, and tqdm would write through any other display on the
    terminal. Where a release of torchvision has no such bar, nothing looks at the one that is put there.
    """
    timeout, bar = socket.getdefaulttimeout(), getattr(utils, "tqdm", None)
    socket.setdefaulttimeout(STALL_LIMIT_S)
    utils.tqdm = partial(_Bar, filename, progress)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)
        utils.tqdm = bar


class _Bar:
    """As much of tqdm as torchvision's download uses."""

    def __init__(
        self, filename: str, progress: Progress | None, *, total: int | None = None, **_options: Any
    ) -> None:
        self._filename, self._progress, self._total, self._done = filename, progress, total, 0
        self.update(0)

    def update(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._filename, self._done, self._total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _one_line(error: BaseException) -> str:
    if type(error) is URLError:  # a mere wrapper, unlike HTTPError
        error = error.reason if isinstance(error.reason, BaseException) else error
    return " ".join(str(error).split()) or type(error).__name__
