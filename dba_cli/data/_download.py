"""torchvision's download, put into place whole or not at all."""

from __future__ import annotations

import http.client
import os
import socket
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from dba_cli.data._files import (
    check_folder,
    fetch_command,
    official_files,
    raw_folder,
    read,
    torchvision_class,
)
from dba_cli.data._probe import DownloadError, host, one_line, reachable
from dba_cli.data._status import DataStatus, status
from dba_cli.data._torchvision import import_torchvision
from dba_cli.errors import UserError

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far and its total bytes (None where the server does not say)."""

OFFLINE_VARIABLE = "DBA_OFFLINE"
STALL_LIMIT_S = 5.0
"""Seconds without a byte after which a connection is given up."""

_FAILURES = (OSError, RuntimeError, http.client.HTTPException, EOFError, zlib.error)


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
        UserError: files are there but bad and ``force`` is off; or the download failed (no network, offline
            by DBA_OFFLINE, folder not writable, wrong checksum).
    """
    check_folder(data_dir)
    before = status(dataset, data_dir)
    if before.complete and not force:
        return before
    if not before.absent and not force:
        bad = next(file for file in before.files if not file.ok)
        raise UserError(
            f"{bad.path}: {bad.problem}; to replace all four files run"
            f" `{fetch_command(dataset, data_dir, force=True)}`"
        )
    try:
        download(dataset, data_dir, progress)
    except DownloadError as error:
        raise UserError(
            f"{dataset} cannot be downloaded into {data_dir}: {error}; mend that and try again, or copy the"
            f" four files to {raw_folder(dataset, data_dir)} from another machine"
        ) from error
    return status(dataset, data_dir)


def download(dataset: str, data_dir: Path, progress: Progress | None = None) -> None:
    """Download the four files and put them into place, replacing what is there.

    Raises:
        DownloadError: it failed, within seconds of the last byte; the files in place are as they were.
    """
    if os.environ.get(OFFLINE_VARIABLE, "0") not in {"", "0"}:
        raise DownloadError(f"the network is switched off by {OFFLINE_VARIABLE}")
    try:
        source = getattr(import_torchvision().datasets, torchvision_class(dataset))
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
            _put_into_place(dataset, folder, raw_folder(dataset, data_dir))
    except OSError as error:
        where, reason = error.filename or data_dir, error.strerror or one_line(error)
        raise DownloadError(f"cannot write to {where}: {reason}") from error


def _download_file(
    mirrors: list[str], filename: str, md5: str, folder: Path, progress: Progress | None
) -> None:
    """Download and unpack one archive; a mirror that fails is taken off ``mirrors``, for later files too."""
    utils = import_torchvision().datasets.utils
    reasons = []
    while mirrors:
        try:
            with _socket_timeout(STALL_LIMIT_S), _reported_to(utils, filename, progress):
                utils.download_and_extract_archive(
                    mirrors[0] + filename, str(folder), md5=md5, remove_finished=True
                )
            return
        except _FAILURES as error:
            reasons.append(f"{host(mirrors.pop(0))}: {one_line(error)}")
    raise DownloadError(f"{filename} failed ({'; '.join(reasons)})")


def _put_into_place(dataset: str, folder: Path, target: Path) -> None:
    for file in official_files(dataset, folder):
        try:
            read(file)
        except ValueError as error:
            raise DownloadError(f"the downloaded {file.path.name} is wrong: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        folder.rename(target)
        return
    for file in official_files(dataset, folder):
        file.path.replace(target / file.path.name)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Bound every socket made meanwhile: torchvision opens its connections without a timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _reported_to(utils: Any, filename: str, progress: Progress | None) -> Iterator[None]:
    """Hand the updates of torchvision's tqdm bar to ``progress`` instead of to stderr.

    tqdm would write through any other display on the terminal. Where a release of torchvision has no such
    bar, nothing is replaced.
    """
    if not hasattr(utils, "tqdm"):
        yield
        return
    before = utils.tqdm
    utils.tqdm = partial(_Bar, filename, progress)
    try:
        yield
    finally:
        utils.tqdm = before


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

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        return None
