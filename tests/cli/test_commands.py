"""What all commands have, and the small ones whole."""

import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from dba_cli import __version__
from dba_cli.cli import COMMANDS, _plot
from dba_cli.comparison._export import FORMATS
from dba_cli.experiments import Backend
from dba_cli.plots import KINDS, WIDTH


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


@pytest.mark.parametrize("command", [*COMMANDS, "data status", "data fetch", "data verify"])
def test_the_help_is_no_ragged_text_at_80_columns(dba, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    lines = dba(*command.split(), "--help").out.partition("╭")[0].splitlines()
    examples = [line for line in lines if re.match(r" {2,3}dba ", line)]
    assert not [after for line, after in pairwise(lines) if line in examples and after.strip()]
    text = [line.rstrip() for line in lines if line not in examples]
    # A line that is followed by another of its paragraph is full: the next word had no room.
    assert all(len(line) + len(after.split()[0]) >= 79 for line, after in pairwise(text) if line and after), (
        lines
    )


def test_the_help_names_every_choice_there_is(dba):
    assert "|".join(get_args(Backend)) in dba("run", "--help").out
    assert "|".join(FORMATS) in dba("compare", "--help").out
    assert _plot.KINDS == KINDS
    assert inspect.signature(_plot.plot).parameters["width"].default == WIDTH


def test_version(dba):
    answer = dba("--version")
    assert (answer.code, answer.out) == (0, f"dba {__version__}\n")


def test_status_says_that_nothing_is_there(dba, monkeypatch):
    answer = dba("data", "status")
    assert answer.code == 0
    assert "data/MNIST/raw/train-images-idx3-ubyte  -  missing" in answer.out
    assert "dba data fetch" in answer.out
    monkeypatch.setenv("DBA_DATA", "elsewhere")
    assert "elsewhere/MNIST/raw" in dba("data", "status").out


def test_a_report_is_one_file_and_says_where(recorded, tmp_path):
    answer = recorded("report", "tiny", "--output", tmp_path / "a b" / "größe.html")
    assert answer.code == 0, answer
    path = Path(answer.out.strip())
    assert path == tmp_path / "a b" / "größe.html"
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "dba report tiny --results results --output" in page
