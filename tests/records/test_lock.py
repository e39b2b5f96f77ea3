"""The lock of a folder, between real processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dba_cli.errors import UserError
from dba_cli.records import locked

HOLD = """
import sys, time, pathlib
from dba_cli.records import locked
with locked(pathlib.Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""

# Reads, waits and writes: without the lock, most of the additions of the others would be lost.
COUNT = """
import sys, time, pathlib
from dba_cli.records import locked
folder = pathlib.Path(sys.argv[1])
for _ in range(25):
    with locked(folder, wait=True):
        before = int((folder / "count").read_text())
        time.sleep(0.001)
        (folder / "count").write_text(str(before + 1))
"""


def process(code: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)


def test_one_owner_at_a_time_in_one_process(tmp_path: Path) -> None:
    with locked(tmp_path / "a") as first, locked(tmp_path / "a") as second, locked(tmp_path / "b") as other:
        assert (first, second, other) == (True, False, True)
    with locked(tmp_path / "a") as again:
        assert again
    assert list(tmp_path.rglob("*.lock")) == []


def test_a_lock_is_waited_for_until_told_and_free_once_its_owner_was_killed(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "True\n"
        with locked(tmp_path) as mine:
            assert not mine
        began = time.monotonic()
        with locked(tmp_path, wait=True, until=lambda: time.monotonic() > began + 0.3) as mine:
            assert not mine
        assert time.monotonic() - began > 0.3
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert (tmp_path / ".lock").exists()  # the dead owner's file is there, and means nothing
        with locked(tmp_path) as mine:
            assert mine


def test_many_processes_never_hold_it_together(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    counters = [process(COUNT, tmp_path) for _ in range(3)]
    for counter in counters:
        with counter:
            assert counter.wait(60) == 0
    assert (tmp_path / "count").read_text() == "75"


def test_a_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be locked"), locked(tmp_path / "file"):
        pass
