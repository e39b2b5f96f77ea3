"""What `dba data status` and `dba data verify` say about the files on disk."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dba_cli.data._datasets import dataset_row
from dba_cli.data._idx import IdxFile


@dataclass(frozen=True)
class FileStatus:
    """One official file as it was found."""

    path: Path
    """The file, or its archive where that alone is there."""
    size: int | None
    """Bytes on disk; None when the file is missing."""
    problem: str | None
    """What is wrong, in a few words; None when nothing is."""
    expected_sha256: str | None
    """Of the unpacked file; None where it is not known: then a changed pixel goes unnoticed."""
    sha256: str | None
    """Of the unpacked file, where it was read whole."""


@dataclass(frozen=True)
class DataStatus:
    """The official files of one dataset below one data folder; none where a function makes the dataset."""

    folder: Path
    files: tuple[FileStatus, ...]

    @property
    def complete(self) -> bool:
        """All files are in place and sound."""
        return all(file.problem is None for file in self.files)

    @property
    def absent(self) -> bool:
        """There should be files, and there is no trace of any."""
        return bool(self.files) and all(file.problem == "missing" for file in self.files)


def status(dataset: str, data_dir: Path, *, whole: bool = False) -> DataStatus:
    """Look at presence, size and header of the official files of ``dataset`` below ``data_dir``.

    ``whole``: also read every byte and compare the SHA-256 where it is known, as loading does each time.

    Raises:
        UserError: ``dataset`` is unknown. Missing and bad files are findings, not errors.
    """
    files = dataset_row(dataset).files
    if files is None:
        return DataStatus(data_dir, ())
    folder = files.raw(data_dir)
    return DataStatus(folder, tuple(_status(file, whole) for file in files.within(folder)))


def _status(file: IdxFile, whole: bool) -> FileStatus:
    path = file.found
    size = None if path is None else path.stat().st_size
    problem = sha256 = None
    try:
        if whole and path:
            sha256 = hashlib.sha256(file.content()).hexdigest()
            file.read()
        file.check()
    except ValueError as error:
        problem = str(error)
    return FileStatus(path or file.path, size, problem, file.sha256, sha256)
