"""The official files from torchvision's mirrors, put into place whole or not at all."""

import gzip
import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.parse import urlsplit

from dba_cli.data._datasets import dataset_row
from dba_cli.data._idx import DataStatus, IdxFiles, bad_file
from dba_cli.data._torchvision import import_torchvision
from dba_cli.data._torchvision_sets import TorchvisionSet
from dba_cli.errors import UserError, one_line

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far and its total bytes (None where the server does not say)."""

STALL_LIMIT_S = 5.0
"""Seconds without an answer or a byte after which a mirror is given up."""
_CHUNK = 2**15


def fetch(
    dataset: str, data_dir: Path, *, progress: Progress | None = None, force: bool = False
) -> DataStatus:
    """Make sure that the official files of ``dataset`` are in ``data_dir``; return their status.

    Sound files that are there already are kept, unless ``force``, and no network is used. A download goes to
    a temporary folder inside ``data_dir``, which is made if missing, and is renamed into place when all four
    files have passed their checks, so an interrupted one leaves nothing behind. ``progress`` is told the
    bytes of each compressed file; without it the download is silent.

    Raises:
        UserError: there is nothing to download; files are there but bad and ``force`` is off; or the download
            failed (no network, offline by DBA_OFFLINE, folder not writable, wrong checksum).
    """
    origin = dataset_row(dataset).origin
    if isinstance(origin, TorchvisionSet):
        origin.fetch(data_dir)
        return DataStatus(data_dir)
    if not isinstance(origin, IdxFiles):
        raise UserError(f"{dataset} has no official files: there is nothing to download")
    files = origin
    files.check_folder(data_dir)
    before = files.status(data_dir)
    if before.complete and not force:
        return before
    if not before.absent and not force:
        bad = next(file for file in before.files if file.problem)
        raise bad_file(dataset, data_dir, bad.path, bad.problem)
    try:
        download(files, data_dir, progress)
    except UserError as error:
        raise UserError(
            f"{dataset} cannot be downloaded into {data_dir}: {error}; mend that and try again, or copy the"
            f" four files to {before.folder} from another machine"
        ) from error
    return files.status(data_dir)


def download(files: IdxFiles, data_dir: Path, progress: Progress | None = None) -> None:
    """Download the four files and put them into place, replacing what is there.

    UserError where it failed, within seconds of the last byte, and why, without what to do about it; the
    files in place are as they were.
    """
    if os.environ.get("DBA_OFFLINE", "0") not in {"", "0"}:
        raise UserError("the network is switched off by DBA_OFFLINE")
    source = getattr(import_torchvision().datasets, files.folder)
    mirrors = list(source.mirrors)
    target = files.raw(data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dba-fetch-", dir=data_dir) as temporary:
            # A folder inside, because the temporary one is closed to everybody but its owner.
            folder = Path(temporary, "raw")
            folder.mkdir()
            for (archive, md5), sha256 in zip(source.resources, files.sha256, strict=True):
                packed, content = _unpacked(mirrors, archive, md5, progress or (lambda *_: None))
                (folder / archive.removesuffix(".gz")).write_bytes(content)
                if sha256 is None:  # only the archive can show later that these are the official files
                    (folder / archive).write_bytes(packed)
            for file in files.within(folder):
                try:
                    file.read()
                except ValueError as error:
                    raise UserError(f"the downloaded {file.path.name} is wrong: {error}") from error
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                folder.rename(target)
                return
            for path in folder.iterdir():
                path.replace(target / path.name)
    except OSError as error:
        where, reason = error.filename or data_dir, error.strerror or _one_line(error)
        raise UserError(f"cannot write to {where}: {reason}") from error


def _unpacked(mirrors: list[str], archive: str, md5: str, progress: Progress) -> tuple[bytes, bytes]:
    """Return an archive and what it holds; a mirror that fails is taken off ``mirrors``, for later ones."""
    reasons = []
    while mirrors:
        try:
            with _opened(mirrors[0] + archive) as response:
                total, content = response.length, bytearray()
                progress(archive, 0, total)
                while chunk := response.read(_CHUNK):
                    content += chunk
                    progress(archive, len(content), total)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
                raise ValueError("corrupted: not the MD5 of torchvision's list")
            return bytes(content), gzip.decompress(content)
        except (OSError, HTTPException, ValueError) as error:
            reasons.append(f"{urlsplit(mirrors.pop(0)).netloc}: {_one_line(error)}")
    raise UserError(f"{archive} failed ({'; '.join(reasons)})")


def _opened(url: str) -> HTTPResponse:
    """Return a server's answer; in a daemon thread, because a name look-up that hangs obeys no timeout."""
    answer: Future[HTTPResponse] = Future()
    # Under torchvision's name, which its mirrors let in.
    request = urllib.request.Request(url, headers={"User-Agent": "pytorch/vision"})

    def ask() -> None:
        try:
            answer.set_result(urllib.request.urlopen(request, timeout=STALL_LIMIT_S))
        except Exception as error:  # whatever it is, the mirror is of no use
            answer.set_exception(OSError(_one_line(error)))

    Thread(target=ask, daemon=True).start()
    try:
        return answer.result(STALL_LIMIT_S)
    except TimeoutError:
        raise TimeoutError(f"no answer within {STALL_LIMIT_S:g} s") from None


def _one_line(error: BaseException) -> str:
    if type(error) is URLError:  # a mere wrapper, unlike HTTPError
        error = error.reason if isinstance(error.reason, BaseException) else error
    return one_line(error)
