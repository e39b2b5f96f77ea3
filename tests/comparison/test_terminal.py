import io
from collections import Counter

import pytest
from rich.console import Console

from dba_cli.comparison import compare, print_tables, render

from .conftest import PAPER


def shown(results, width, **console):
    out = io.StringIO()
    print_tables(compare(results.root), Console(file=out, width=width, **console))
    return out.getvalue()


@pytest.fixture
def wide_results(results):
    """The widest cells that occur: marks, long names, wide intervals, large losses."""
    results.plan(["sgd", "adam", "dba-projection-ten-per-cent"], paper=PAPER)
    results.runs("sgd", [1200, 3300, 2100])
    results.runs("adam", [1000, 3000, 1000])
    results.runs("dba-projection-ten-per-cent", [3080, None, 8100])
    return results


def test_intervals_go_below_where_it_is_narrow(paper_results):
    table = shown(paper_results, 72).split("\n\n")[1]
    assert [line.rstrip() for line in table.splitlines()[3:5]] == [
        "sgd        3 of 3     88.00  12.00            -20.0  87.87*  +0.13",
        "                      ±2.48                   ±24.8",
    ]


def test_names_and_marks_are_folded_before_numbers(wide_results):
    text = shown(wide_results, 80)
    assert "dba-projection-ten-per-cent (dba)" not in text
    for number in ("±3189.3", "-53.69", "±318.93", "87.87*"):
        assert number in text


@pytest.mark.parametrize("width", [40, 50, 60, 72, 80, 100, 120])
def test_no_digit_is_cut_and_no_line_too_wide(wide_results, width):
    text = shown(wide_results, width)
    assert max(map(len, text.splitlines())) <= width
    digits = [Counter(filter(str.isdigit, each)) for each in (text, shown(wide_results, 300))]
    assert digits[0] == digits[1]


def test_the_notice_is_loud(results):
    results.plan(["sgd"], [0])
    results.run("sgd", 0, 400, notice="NOT OFFICIAL")
    text = shown(results, 80, force_terminal=True, color_system="standard")
    assert "\x1b[1;31mNOT OFFICIAL\x1b[0m" in text


def test_nothing_in_a_record_is_markup(results):
    results.plan(["[red]sgd[/red]"], [0])
    results.run("[red]sgd[", 0, 400, optimizer_kind="sgd", notice="[bold]x[/nothing]", protocol="[blink]")
    text = shown(results, 200)
    assert "[red]sgd[" in text
    assert "[bold]x[/nothing]" in text
    assert "Protocol: [blink]" in text


def test_as_a_file_it_is_plain_whatever_the_environment(paper_results, monkeypatch):
    text = render(compare(paper_results.root), "table")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert render(compare(paper_results.root), "table") == text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert max(map(len, text.splitlines())) <= 100
