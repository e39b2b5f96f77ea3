"""The examples that need the packages of the extra ``zoo``."""

import re
from collections.abc import Callable

import pytest


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_accelerate_loop(example: Callable[..., str], precision: str) -> None:
    pytest.importorskip("accelerate")
    output = example("accelerate_loop.py", "--mixed-precision", precision)
    assert float(re.search(r"test accuracy ([\d.]+)%", output)[1]) > 80


@pytest.mark.parametrize("options", [[], ["--bf16", "--accumulate", "2", "--checkpointing"]])
def test_huggingface_trainer(example: Callable[..., str], options: list[str]) -> None:
    pytest.importorskip("transformers")
    output = example("huggingface_trainer.py", "--steps", "100", *options)
    assert float(re.search(r"test accuracy ([\d.]+)%", output)[1]) > 50
