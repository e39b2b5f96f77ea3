from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dba_cli.experiments import PlannedRun, _provenance

from .lab import REVISION, SGD, config, planned


@pytest.fixture(autouse=True, scope="package")
def _one_thread_and_one_revision() -> Iterator[None]:
    """Small tensors only wait for each other on several threads; and a commit amid the tests is no matter."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_provenance, "git_revision", lambda: REVISION)
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def run(tmp_path: Path) -> PlannedRun:
    return planned(tmp_path, config(SGD))[0]
