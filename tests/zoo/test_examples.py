"""The examples that need the packages of the extra ``zoo``."""

import re
from collections.abc import Callable

import pytest


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_accelerate_loop(example: Callable[..., str], precision: str) -> None:
    pytest.importorskip("accelerate")
    output = example("accelerate_loop.py", "--mixed-precision", precision)
    assert float(re.search(r"test accuracy ([\d.]+)%", output)[1]) > 80
