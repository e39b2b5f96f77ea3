"""The examples run as a user would run them, in a process of their own."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def output_of(name: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_own_loop() -> None:
    lines = output_of("own_loop.py").splitlines()
    assert len(lines) == 10
    assert float(re.search(r"accuracy ([\d.]+)%", lines[-1])[1]) > 80
    assert re.search(r"layer 0: \d+ of 100, layer 2: \d+ of 100", lines[-1])


def test_own_loop_marks_one_changed_line() -> None:
    text = (EXAMPLES / "own_loop.py").read_text()
    assert text.count("<-- the changed line") == 1


@pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is an optional extra")
def test_lightning_module() -> None:
    output = output_of("lightning_module.py")
    assert float(re.search(r"accuracy\W+\s(0\.\d+)", output)[1]) > 0.8
