from math import inf

import pytest

from dba_cli.comparison import Estimate
from dba_cli.plots import Line, Run, Rung, default_target, ladder, targets
from dba_cli.plots._targets import time_to_target

from .samples import LONG, TITLE, assert_sound, history, line

EARLY, LATE, NEVER = [0.1, 0.9, 0.8], [0.1, 0.5, 0.92], [0.1, 0.2, 0.3]


def runs(*accuracies: list[float]) -> list[Run]:
    return [Run(seed, history(each)) for seed, each in enumerate(accuracies)]


def test_the_first_evaluation_that_reaches_it_counts():
    (run,) = runs([0.1, 0.85, 0.9, 0.7, 0.95])
    assert [time_to_target(run, 0.9, x) for x in ("steps", "samples", "seconds")] == [20, 2000, 1.0]
    assert time_to_target(run, 0.951, "steps") == inf


def row_texts(figure, panel):
    return [text.get_text() for text in figure.axes[panel].texts]


def test_bars_are_medians_and_a_miss_is_infinite():
    lines = [Line("two of three", runs(EARLY, LATE, NEVER)), Line("one of three", runs(EARLY, NEVER, NEVER))]
    figure = targets(lines, 0.9)
    steps = figure.axes[0]
    assert row_texts(figure, 0) == ["20\n(2 of 3)", "never\n(1 of 3)"]
    assert row_texts(figure, 1) == ["2 000\n(2 of 3)", "never\n(1 of 3)"]
    assert row_texts(figure, 2) == ["1\n(2 of 3)", "never\n(1 of 3)"]
    reached, missed = steps.patches
    assert reached.get_width() == 20
    assert missed.get_hatch()
    assert missed.get_width() > steps.get_xlim()[1]  # past the end of the axis
    assert [list(dots.get_xdata()) for dots in steps.lines] == [[10, 20], [10]]
    assert "90 %" in figure.get_supxlabel()


def test_one_slow_seed_does_not_squeeze_the_bars():
    fast = [Run(seed, history(EARLY, seconds=0.1)) for seed in range(4)]
    figure = targets([Line("sgd", [*fast, Run(4, history(EARLY, seconds=50.0))])], 0.9)
    assert figure.axes[2].get_xlim()[1] < 0.3
    assert [dots.get_marker() for dots in figure.axes[2].lines] == ["o", ">"]


def test_default_target():
    lines = [Line("a", runs([0.1, 0.9], [0.1, 0.92])), Line("b", runs([0.1, 0.2]))]
    assert default_target(lines) == 0.89  # 98 % of 91 % is 89.18 %
    diverged = Line("gone", [Run(0, history([0.1, 0.5]), diverged=True)])
    assert default_target([diverged]) == 0.49
    assert default_target([Line("none", runs([0.0]))]) == 0.01


@pytest.mark.parametrize(
    "lines",
    [
        [line("sgd", [0.9, 0.91]), line("dba", [0.93, 0.95])],
        [line("dba", [0.9])],
        [line(f"{LONG}_{i}", [0.7 + 0.02 * i] * 2) for i in range(12)],
        [Line("gone", [Run(0, history([0.1]), diverged=True)])],
    ],
)
@pytest.mark.parametrize("target", [0.01, 0.85, 0.999])
def test_targets_are_sound(lines, target):
    figure = targets(lines, target, TITLE)
    assert_sound(figure)
    for axes in figure.axes:
        assert len(axes.texts) == len(lines)


def test_the_ladder_shows_means_intervals_and_the_paper():
    figure = ladder(
        [Rung("one", "sgd", Estimate(0.87, 0.01, 5), 0.8787), Rung("two", "sgd", Estimate(0.9, None, 1))]
    )
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["SGD", "SGD"]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["87.00 ± 1.00", "90.00", "one", "two"]
    assert [float(each.get_xdata()[0]) for each in axes.lines if each.get_marker() == "d"] == [
        pytest.approx(12.13)
    ]
    ends = axes.collections[0].get_segments()[0][:, 0]
    assert list(ends) == pytest.approx([12, 14])
    assert "paper" in figure.legends[0].get_texts()[0].get_text()


@pytest.mark.parametrize(
    "rungs",
    [
        [Rung("only", "dba", None, None, "3 of 3 diverged")],
        [Rung("only", "dba", Estimate(0.9, None, 1))],
        [
            Rung(
                f"experiment {g}", f"{LONG}_{i}", Estimate(0.5 + 0.01 * i, 0.01, 3), 0.9779, "1 of 4 diverged"
            )
            for g in range(4)
            for i in range(4)
        ],
    ],
)
def test_ladders_are_sound(rungs):
    assert_sound(ladder(rungs, TITLE))
