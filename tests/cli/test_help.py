import pytest

from dba_cli import __version__
from dba_cli.cli import COMMANDS


@pytest.mark.parametrize("command", [*COMMANDS, "data status", "data fetch", "data verify"])
def test_each_command_has_examples_and_its_line_in_the_list(dba, command):
    answer = dba(*command.split(), "--help")
    assert answer.code == 0
    assert ("Example" in answer.out) is (command != "data")
    parent, _, name = command.rpartition(" ")
    listed = dba(*parent.split(), "--help").out.partition(" Commands ")[2]
    (line,) = [line for line in listed.splitlines() if line.startswith(f"│ {name} ")]
    summary = line.removeprefix(f"│ {name} ").rstrip("│ ").strip()
    assert len(summary) > 20
    assert summary in answer.out


def test_version(dba):
    answer = dba("--version")
    assert (answer.code, answer.out) == (0, f"dba {__version__}\n")
