"""What `dba data status` and `dba data verify` say about the files on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dba_cli.data._files import OfficialFile, official_files, raw_folder, read, structure_problem


@dataclass(frozen=True)
class FileStatus:
    """One official file as its size and header show it. Sizes are in bytes."""

    path: Path
    present: bool
    size: int | None
    """Size found; None when the file is missing."""
    expected_size: int
    ok: bool
    """Present, of the right size and with the right header; the content is ``verify``'s business."""
    problem: str | None
    """What is wrong, in a few words; None when ``ok``."""


@dataclass(frozen=True)
class DataStatus:
    """The four official files of one dataset below one data folder."""

    dataset: str
    folder: Path
    files: tuple[FileStatus, ...]

    @property
    def complete(self) -> bool:
        """All four files are in place and sound."""
        return all(file.ok for file in self.files)

    @property
    def absent(self) -> bool:
        """No trace of any of the four, not even one that is still compressed."""
        return all(file.problem == "missing" for file in self.files)


@dataclass(frozen=True)
class FileVerification:
    """One official file, read whole."""

    path: Path
    ok: bool
    expected_sha256: str | None
    """None where no digest is known (every dataset but MNIST): only size, header and labels were checked."""
    actual_sha256: str | None
    """None when the file is missing or cannot be read."""
    problem: str | None
    """What is wrong, in a few words; None when ``ok``."""

    @property
    def structure_only(self) -> bool:
        """No digest is known for this file, so a changed pixel would go unnoticed."""
        return self.expected_sha256 is None


def status(dataset: str, data_dir: Path) -> DataStatus:
    """Look at presence, size and header of the four files of ``dataset`` below ``data_dir``.

    Raises:
        UserError: ``dataset`` is unknown. Missing and bad files are findings, not errors.
    """
    folder = raw_folder(dataset, data_dir)
    return DataStatus(dataset, folder, tuple(_file_status(file) for file in official_files(dataset, folder)))


def verify(dataset: str, data_dir: Path) -> list[FileVerification]:
    """Read the four files of ``dataset`` below ``data_dir`` whole; compare their SHA-256 where it is known.

    The same checks run each time official data is loaded.

    Raises:
        UserError: ``dataset`` is unknown. Missing and bad files are findings, not errors.
    """
    return [_verification(file) for file in official_files(dataset, raw_folder(dataset, data_dir))]


def _file_status(file: OfficialFile) -> FileStatus:
    try:
        problem = structure_problem(file)
        size = file.path.stat().st_size if file.path.is_file() else None
    except OSError as error:
        problem, size = f"unreadable: {error.strerror}", None
    return FileStatus(file.path, size is not None, size, file.size, problem is None, problem)


def _verification(file: OfficialFile) -> FileVerification:
    problem = actual = None
    try:
        if file.path.is_file():
            with file.path.open("rb") as stream:
                actual = hashlib.file_digest(stream, "sha256").hexdigest()
        read(file)
    except ValueError as error:
        problem = str(error)
    except OSError as error:
        problem = f"unreadable: {error.strerror}"
    return FileVerification(file.path, problem is None, file.sha256, actual, problem)
