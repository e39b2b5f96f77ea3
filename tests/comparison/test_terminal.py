import io
from collections import Counter

import pytest
from rich.console import Console

from dba_cli.comparison import compare, print_tables, render, rich_table

PAPER = {"test_accuracy": 97.79, "error_reduction": 81.78}


def shown(results, width, **console):
    out = io.StringIO()
    terminal = Console(file=out, width=width, **console)
    for section in compare(results.root).sections:
        terminal.print(rich_table(section))
    return out.getvalue()


@pytest.fixture
def wide_results(results):
    """The widest cells that occur: marks, long names, wide intervals, large losses."""
    results.plan(["sgd", "adam", "dba-projection-ten-per-cent"], paper=PAPER)
    results.runs("sgd", [1200, 3300, 2100])
    results.runs("adam", [1000, 3000, 1000])
    results.runs("dba-projection-ten-per-cent", [3080, None, 8100])
    return results


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_on_one_line_a_row(paper_results, width):
    table = shown(paper_results, width).split("\n\n")[1]
    assert table.splitlines() == [
        "                       Accuracy  Error       vs SGD       vs Adam   Paper   Diff",
        "Optimizer  Seeds              %      %            %             %       %    pts",
        "────────────────────────────────────────────────────────────────────────────────",
        "sgd        3 of 3  88.00 ± 2.48  12.00               -20.0 ± 24.8  87.87*  +0.13",
        "adam       3 of 3  90.00 ± 0.00  10.00  16.3 ± 17.4                87.87*  +2.13",
        "dba        3 of 3  88.62 ± 2.09  11.38   5.0 ± 12.4  -13.8 ± 20.9  97.79   -9.17",
    ]


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


def test_plain_where_stdout_is_no_terminal(paper_results):
    assert "\x1b" not in shown(paper_results, 80)


def test_title_notice_setting_and_notes_in_this_order(results):
    results.plan(["sgd"], [0, 1])
    results.run("sgd", 0, 400, source="embedded", n_test=4000, notice="NOT OFFICIAL MNIST")
    lines = shown(results, 120).splitlines()
    assert lines[:3] == [
        "exp",
        "NOT OFFICIAL MNIST",
        "Protocol: random draw, 1 % (600 images). Data: embedded MNIST sample, 4,000 test images. 2 seeds.",
    ]
    assert lines[-1] == "! sgd: seed 1 missing"


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


def test_decimal_points_stand_below_each_other(results):
    results.plan(["sgd", "dba"], [0, 1])
    results.runs("sgd", [1000, 1100])
    results.run("dba", 0, 900)
    rows = shown(results, 120).splitlines()[6:8]
    assert rows[0].startswith("sgd        2 of 2  89.50 ± 6.35  10.50")
    assert rows[1].startswith("dba        1 of 2  91.00          9.00")


def test_sections_are_printed_with_a_blank_line_between(results, capsys):
    for name in ("a", "b"):
        results.plan(["sgd"], [0], name=name)
    print_tables(compare(results.root))
    printed = capsys.readouterr().out
    assert printed.count("sgd") == 4
    assert "! sgd: seed 0 missing\n\nb\n" in printed


def test_as_a_file_it_is_plain_whatever_the_environment(paper_results, monkeypatch):
    text = render(compare(paper_results.root), "table")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert render(compare(paper_results.root), "table") == text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert max(map(len, text.splitlines())) <= 100
