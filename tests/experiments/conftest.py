from collections.abc import Iterator

import pytest
import torch

from dba_cli.experiments import _provenance

from .lab import REVISION


@pytest.fixture(autouse=True, scope="package")
def _one_thread_and_one_revision() -> Iterator[None]:
    """Small tensors only wait for each other on several threads; and a commit amid the tests is no matter."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_provenance, "git_revision", lambda: REVISION)
        yield
    torch.set_num_threads(threads)
