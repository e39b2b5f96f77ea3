import pytest

from dba_cli import __version__


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["sweep"],
        ["compare"],
        ["inspect"],
        ["data"],
        ["data", "status"],
        ["data", "fetch"],
        ["data", "verify"],
    ],
)
def test_help_has_an_example_or_lists_the_commands(dba, command):
    answer = dba(*command, "--help")
    assert answer.code == 0
    assert "Example" in answer.out or "Commands" in answer.out


def test_version(dba):
    answer = dba("--version")
    assert (answer.code, answer.out) == (0, f"dba {__version__}\n")
