from math import sqrt
from statistics import mean, stdev

import numpy as np
import pytest
from scipy import stats

from dba_cli.plots import Line, Run, fractions_kept, learning_curves

from .samples import LONG, TITLE, assert_sound, history, line, rising


def test_the_line_is_the_mean_over_seeds_and_the_band_its_interval():
    tops = [0.85, 0.87, 0.92]
    figure = learning_curves([line("sgd", tops)], "steps", TITLE)
    whole = figure.axes[0]
    curve, (band,) = whole.lines[0], whole.collections
    at = [[100 * rising(top)[k] for top in tops] for k in range(12)]
    np.testing.assert_allclose(curve.get_xdata(), [10 * k for k in range(12)])
    np.testing.assert_allclose(curve.get_ydata(), [mean(values) for values in at])
    half = [stats.t.ppf(0.975, 2) * stdev(values) / sqrt(3) for values in at]
    edges = band.get_paths()[0].vertices
    for k in range(12):
        column = edges[np.isclose(edges[:, 0], 10 * k), 1]
        assert column.max() == pytest.approx(mean(at[k]) + half[k])
        assert column.min() == pytest.approx(mean(at[k]) - half[k])


@pytest.mark.parametrize(
    ("x", "label", "last"),
    [("steps", "Update steps", 110), ("samples", "Samples processed", 11000), ("seconds", "Seconds", 8.25)],
)
def test_axes(x, label, last):
    runs = [Run(seed, history(rising(0.9), seconds=0.5 * (seed + 1))) for seed in range(2)]
    figure = learning_curves([Line("sgd", runs)], x)
    assert figure.axes[0].get_xlabel().startswith(label)
    assert figure.axes[0].get_ylabel() == "Test accuracy, %"
    assert figure.axes[0].lines[0].get_xdata()[-1] == pytest.approx(last)  # seconds: the seeds' mean


def test_a_diverged_run_is_in_no_mean_but_drawn_to_its_end():
    runs = [Run(0, history(rising(0.8))), Run(1, history([0.1, 0.3, 0.2]), diverged=True)]
    figure = learning_curves([Line("dba", runs, 3)], "steps")
    assert not figure.axes[0].collections  # of one seed there is no interval
    mean_line, gone, cross = figure.axes[0].lines
    np.testing.assert_allclose(mean_line.get_ydata(), [100 * value for value in rising(0.8)])
    np.testing.assert_allclose(gone.get_ydata(), [10, 30, 20])
    assert (cross.get_marker(), list(cross.get_xdata())) == ("x", [20])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["dba (1 of 3 diverged, 1 of 3 seeds missing)", "diverged run, to its last evaluation"]


def test_enlarged_around_the_best_whatever_fails_below():
    lines = [line("good", [0.9, 0.9]), line("better", [0.91, 0.91]), line("bad", [0.2, 0.2])]
    low, high = learning_curves(lines, "steps").axes[1].get_ylim()
    assert 85 < low < 90 < 91 < high <= 100


def test_lines_differ_without_colour():
    lines = [line(f"o{i}", [0.5 + 0.03 * i]) for i in range(12)]
    drawn = learning_curves(lines, "steps").axes[0].lines
    assert len({(each.get_marker(), str(each._unscaled_dash_pattern)) for each in drawn}) == 12


DIVERGED = Line(
    "gone", [Run(0, history([0.1, 0.2]), diverged=True), Run(1, history([0.1]), diverged=True)], 2
)
HARD = {
    "usual": [line("sgd", [0.8, 0.81]), line("adam", [0.82, 0.84]), line("dba", [0.83, 0.86])],
    "one of one": [line("dba", [0.9])],
    "long names": [line(f"{LONG}_{i}", [0.5 + 0.03 * i, 0.52 + 0.03 * i]) for i in range(12)],
    "diverged": [DIVERGED],
    "one row": [Line("sgd", [Run(0, history([0.1]))])],
    "perfect": [line("a", [1.0, 0.98]), line("b", [1.0])],
}


@pytest.mark.parametrize("case", HARD)
def test_curves_are_sound(case):
    assert_sound(learning_curves(HARD[case], "samples", TITLE))


def test_fractions_are_means_by_layer():
    kept = [line("dba", [0.8, 0.9], layers=["hidden1", "output"]), line("sgd", [0.8])]
    figure = fractions_kept(kept, TITLE)
    (axes,) = figure.axes
    assert axes.get_title() == "dba"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["hidden1", "output"]
    for i, each in enumerate(axes.lines):
        np.testing.assert_allclose(each.get_xdata(), [10 * k for k in range(1, 12)])
        np.testing.assert_allclose(each.get_ydata(), [100 * (0.5 + 0.02 * i) / k for k in range(1, 12)])


@pytest.mark.parametrize(("optimizers", "layers"), [(1, 2), (1, 20), (2, 4), (7, 2)])
def test_fractions_are_sound(optimizers, layers):
    names = [f"blocks.{k}.projection" for k in range(layers)]
    lines = [line(f"{LONG}_{i}", [0.9], layers=names) for i in range(optimizers)]
    figure = fractions_kept(lines, TITLE)
    assert_sound(figure)
    assert len(figure.axes) == optimizers


def test_no_fractions_no_figure():
    with pytest.raises(ValueError, match="fractions"):
        fractions_kept([line("sgd", [0.9])])
