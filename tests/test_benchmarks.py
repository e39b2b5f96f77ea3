"""The benchmarks fit the package: what needs no other package beside it can be imported."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"
PEERS = {"audit", "contestants", "measure", "step_cost"}  # need the extra `bench`


def test_they_can_be_imported() -> None:
    names = sorted({path.stem for path in FOLDER.glob("*.py")} - PEERS)
    assert len(names) >= 8
    command = [sys.executable, "-W", "ignore", "-c", f"import {', '.join(names)}"]
    assert subprocess.run(command, cwd=FOLDER, check=False).returncode == 0
