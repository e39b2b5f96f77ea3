import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dba_cli.data import DATASETS
from dba_cli.data._idx import IdxFile

# Read before the fixture that hides it from every test.
_DATA = os.environ.get("DBA_DATA")


def files_of(dataset: str, folder: Path) -> tuple[IdxFile, ...]:
    files = DATASETS[dataset].files
    assert files is not None
    return files.within(folder)


@pytest.fixture
def place() -> Callable[..., Path]:
    """Write the four files of a dataset below a folder: black images, labels 0 to 9 in turn."""

    def write(data_dir: Path, dataset: str = "fashion_mnist", inner: str = "raw") -> Path:
        files = DATASETS[dataset].files
        assert files is not None
        folder = data_dir / files.folder / inner
        folder.mkdir(parents=True)
        for file in files.within(folder):
            with file.path.open("wb") as stream:
                stream.write(file.header)
                if len(file.shape) == 1:
                    stream.write((np.arange(file.shape[0]) % 10).astype(np.uint8).tobytes())
                stream.truncate(file.size)  # sparse: 47 MB of zeros cost nothing
        return folder

    return write


@pytest.fixture
def official() -> Path:
    """The folder with the real MNIST files, where DBA_DATA names one."""
    folder = _DATA
    if not folder or not Path(folder, "MNIST/raw").is_dir():
        pytest.skip("DBA_DATA names no folder with the official MNIST files")
    return Path(folder)
