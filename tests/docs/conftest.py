"""A shell in which ``dba``, ``python`` and ``make`` are quick."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import forks

Shell = Callable[[Path, str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """A folder with ``dba`` and ``python``, forks of one process, and a ``make`` that changes nothing."""
    with tempfile.TemporaryDirectory(prefix="dba-") as name:  # a socket's path must be short
        folder, address = Path(name), Path(name) / "socket"
        made = {program: forks.client(address, program) for program in ("dba", "python", "python3")}
        made["make"] = f'#!/bin/sh\nexec {shutil.which("make")} --dry-run "$@"\n'
        for program, text in made.items():
            (folder / program).write_text(text)
            (folder / program).chmod(0o755)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        command = [sys.executable, forks.__file__, str(address)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
            yield folder
            server.kill()


@pytest.fixture
def shell(programs: Path) -> Shell:
    """Run a text in bash, in a folder."""

    def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "COLUMNS": "100"}
        # The configs that go by their names are those of the folder: the quick ones of a copy of the project.
        environment["CONFIGS_OF_THE_TEST"] = str(folder / "configs")
        environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        (folder / ".venv").mkdir(exist_ok=True)
        (folder / ".venv/bin").unlink(missing_ok=True)
        (folder / ".venv/bin").symlink_to(programs)
        return subprocess.run(
            ["bash", "-c", text],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    return run
