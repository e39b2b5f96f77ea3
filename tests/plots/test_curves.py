from math import sqrt
from statistics import mean, stdev

import numpy as np
import pytest
from scipy import stats

from dba_cli.comparison import Estimate
from dba_cli.plots import Line, Run, accuracy_along, fractions_kept, learning_curves

from .samples import LONG, TITLE, assert_sound, history, line, rising


def test_the_line_is_the_mean_over_seeds_and_the_band_its_interval():
    tops = [0.85, 0.87, 0.92, 0.9, 0.88]
    axes = learning_curves([line("sgd", tops)], "steps", TITLE).axes[0]
    curve, (band,) = axes.lines[0], axes.collections
    at = [[100 - 100 * rising(top)[k] for top in tops] for k in range(1, 12)]
    np.testing.assert_allclose(curve.get_xdata(), [10 * k for k in range(1, 12)])
    np.testing.assert_allclose(curve.get_ydata(), [mean(values) for values in at])
    half = [stats.t.ppf(0.975, 4) * stdev(values) / sqrt(5) for values in at]
    edges = band.get_paths()[0].vertices
    for k in range(11):
        column = edges[np.isclose(edges[:, 0], 10 * (k + 1)), 1]
        assert column.max() == pytest.approx(mean(at[k]) + half[k])
        assert column.min() == pytest.approx(mean(at[k]) - half[k])


def test_fewer_than_five_seeds_are_lines_of_their_own():
    axes = learning_curves([line("sgd", [0.8, 0.9])], "steps").axes[0]
    assert not axes.collections
    drawn = [each.get_ydata()[-1] for each in axes.lines[:3]]
    np.testing.assert_allclose(drawn, [100 - 100 * rising(top)[-1] for top in (0.85, 0.8, 0.9)])


@pytest.mark.parametrize(
    ("x", "label", "last"),
    [("steps", "Update steps", 110), ("samples", "Samples processed", 11000), ("seconds", "Seconds", 8.25)],
)
def test_axes(x, label, last):
    runs = [Run(seed, history(rising(0.9), seconds=0.5 * (seed + 1))) for seed in range(2)]
    axes = learning_curves([Line("sgd", runs)], x).axes[0]
    assert axes.get_xlabel().startswith(label)
    assert (axes.get_ylabel(), axes.get_xscale(), axes.get_yscale()) == ("Test error, %", "log", "log")
    assert axes.lines[0].get_xdata()[-1] == pytest.approx(last)  # seconds: the seeds' mean


def test_a_diverged_run_is_in_no_mean_but_drawn_to_its_end():
    runs = [Run(0, history(rising(0.8))), Run(1, history([0.1, 0.3, 0.2]), diverged=True)]
    figure = learning_curves([Line("dba", runs, 3)], "steps")
    assert not figure.axes[0].collections  # of one seed there is no interval
    mean_line, gone, cross = figure.axes[0].lines
    np.testing.assert_allclose(mean_line.get_ydata(), [100 - 100 * value for value in rising(0.8)[1:]])
    np.testing.assert_allclose(gone.get_ydata(), [70, 80])
    assert (cross.get_marker(), list(cross.get_xdata())) == ("x", [20])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["DBA (1 of 3 diverged, 1 of 3 seeds missing)", "diverged run, to its last evaluation"]


def test_few_lines_are_named_at_their_ends_and_many_below():
    few = learning_curves([line("sgd", [0.9]), line("dba", [0.9])], "steps")
    assert not few.legends
    assert {text.get_text() for text in few.axes[0].texts} == {"", "SGD", "DBA"}
    assert len(learning_curves([line(f"o{i}", [0.9]) for i in range(9)], "steps").legends) == 1


def test_lines_differ_without_colour():
    lines = [line(f"o{i}", [0.5 + 0.03 * i]) for i in range(12)]
    drawn = learning_curves(lines, "steps").axes[0].lines
    assert len({(each.get_marker(), str(each._unscaled_dash_pattern)) for each in drawn}) >= 11


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


def test_accuracies_along_a_number_are_drawn_with_their_intervals_and_remarks():
    sgd = {0.0: Estimate(0.9, 0.01, 5), 20.0: Estimate(0.8, 0.02, 5)}
    lines = {"sgd": sgd, "gce": {0.0: Estimate(0.7, None, 1)}}
    (axes,) = accuracy_along(lines, "wrong, %", {("sgd", 0.0): "a remark"}).axes
    sgd, gce = axes.containers
    assert list(sgd.lines[0].get_ydata()) == pytest.approx([90, 80])
    bars = sgd.lines[2][0].get_segments()
    np.testing.assert_allclose([bar[:, 1] for bar in bars], [[89, 91], [78, 82]])
    assert list(gce.lines[0].get_ydata()) == pytest.approx([70])
    texts = {" ".join(text.get_text().replace("-\n", "-").split()) for text in axes.texts}  # in lines
    assert {"a remark", "SGD", "generalised cross-entropy"} <= texts


def test_fractions_are_means_by_layer():
    kept = [line("dba", [0.8, 0.9], layers=["hidden1", "output"]), line("sgd", [0.8])]
    figure = fractions_kept(kept, TITLE)
    (axes,) = figure.axes
    assert axes.get_title() == "DBA"
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
