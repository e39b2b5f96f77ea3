"""Curves over training, the mean over seeds and its interval: of accuracies, and of what layers kept."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dba_cli.plots._series import X_LABELS, Band, Floats, Line, XAxis, band, position
from dba_cli.plots._style import (
    SMALL,
    compact,
    error_percent,
    few_ticks,
    grid,
    legend_below,
    look,
    look_of,
    new_figure,
    plain_ticks,
    styled,
    wrapped,
)

Look = dict[str, Any]

_MARKS = 7
_FEW_SEEDS = 5
_MOST_LABELS = 8
_LETTERS = 24
_LABEL_GAP = 0.075  # of the height of the axes


@styled()
def learning_curves(lines: Sequence[Line], x: XAxis, title: str = "") -> Figure:
    """Return the test error of each line against ``x``, on logarithmic axes, from the first step on.

    The line is the mean over the finished seeds and the band its 95 % Student t interval, as in the tables;
    fewer than five seeds are thin lines of their own instead. A diverged run is in no mean: it is drawn by
    itself, thin, up to its last evaluation (a cross). The lines may be of one experiment or of several.
    """
    figure = new_figure(2.9, title)
    axes = figure.subplots()
    begun = any(point.step for line in lines for run in line.runs for point in run.history)
    axes.set(xscale="log" if begun else "linear", yscale="log")
    handles, ends = [], []
    for i, line in enumerate(lines):
        finished = [
            replace(run, history=[p for p in run.history if p.step or not begun]) for run in line.finished
        ]
        each, how = band(finished, x), look_of(line.label)
        few = len(line.finished) < _FEW_SEEDS
        handles.append(_draw_error(axes, each, how, i, interval=not few))
        ends.append((float(each.x[-1]), error_percent(each.mean)[-1]) if len(each.x) else None)
        seeds = [run for run in line.finished if few and len(line.finished) > 1]
        for run in (*seeds, *line.diverged):
            points = [
                (position(point, x), error_percent(point.test_accuracy))
                for point in run.history
                if point.step or not begun
            ]
            if points:
                axes.plot(*zip(*points, strict=True), color=how["color"], linewidth=0.5, alpha=0.7)
            if points and run.diverged:
                axes.plot(*points[-1], color=how["color"], marker="x", linestyle="none")
    plain_ticks(axes.yaxis)
    if begun:
        axes.set_xlim(right=1.04 * axes.dataLim.x1)
        plain_ticks(axes.xaxis, compact)
    else:  # nothing but the evaluation before training
        axes.set(xlim=(-0.05, 1), xticks=[0])
    axes.set(xlabel=X_LABELS[x], ylabel="Test error, %")
    labels = [line.legend for line in lines]
    diverged = any(line.diverged for line in lines)
    if not diverged and len(lines) <= _MOST_LABELS and max(map(len, labels)) <= _LETTERS and all(ends):
        label_ends(axes, [each for each in ends if each], handles, labels)
        return figure
    keys: list[Artist] = [*handles]
    if diverged:
        keys.append(Line2D([], [], color="#555555", linewidth=0.5, marker="x"))
        labels.append("diverged run, to its last evaluation")
    legend_below(figure, keys, labels)
    return figure


@styled()
def fractions_kept(lines: Sequence[Line], title: str = "") -> Figure:
    """Return the share of the batch that each layer kept, a panel for each line that selects.

    A point is the mean over the steps since the evaluation before, then over the finished seeds, with
    the 95 % Student t interval.

    Raises:
        ValueError: No line selects.
    """
    shown = [line for line in lines if line.layers]
    if not shown:
        raise ValueError("no line with fractions")
    columns = min(len(shown), 3)
    figure = new_figure(0.5 + 1.8 * ceil(len(shown) / columns), title)
    panels = grid(figure, len(shown), columns)
    handles = {}
    for axes, line in zip(panels, shown, strict=True):
        for i, name in enumerate(dict.fromkeys(name for line in shown for name in line.layers)):
            share = band(line.finished, "steps", lambda point, name=name: point.fractions.get(name))  # type: ignore[misc]
            if len(share.x):
                handles[name] = _draw_band(axes, share, i)
        axes.set_title(wrapped(line.legend, 30 if columns > 1 else 60))
        axes.set_xlim(left=0)
        few_ticks(axes)
    panels[0].set_ylim(0, min(102.0, 1.3 * max(axes.dataLim.y1 for axes in panels)))
    for axes in panels[::columns]:
        axes.set_ylabel("Kept, % of the batch")
    for axes in panels[-columns:]:
        axes.set_xlabel(X_LABELS["steps"])
    legend_below(figure, list(handles.values()), list(handles))
    return figure


def _draw_band(axes: Axes, each: Band, index: int) -> Line2D:
    """Draw the mean share of a layer, in per cent, and its interval; return the line for a legend."""
    x, mean, low, high = each.x, 100 * each.mean, 100 * each.low, 100 * each.high
    return _draw(axes, x, mean, low, high, look(index), index)


def _draw_error(axes: Axes, each: Band, how: Look, index: int, *, interval: bool) -> Line2D:
    """Draw the mean error and, if wanted, its interval."""
    mean, low, high = (error_percent(values) for values in (each.mean, each.high, each.low))
    return _draw(axes, each.x, mean, low if interval else mean, high if interval else mean, how, index)


def _draw(axes: Axes, x: Floats, mean: Floats, low: Floats, high: Floats, how: Look, index: int) -> Line2D:
    # Markers are few, and lines that run together wear theirs at different places.
    stride = max(1, len(x) // _MARKS)
    (line,) = axes.plot(x, mean, markevery=(index % stride, stride), mec="white", mew=0.4, **how)
    if (high > low).any():
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.13, linewidth=0, zorder=1.5)
    return line


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, float]], handles: Sequence[Line2D], labels: Sequence[str]
) -> None:
    """Write each line's name beside its end, moved apart where they would touch."""
    axes.set_ylim(*axes.get_ylim())  # stays as it is
    shares = (axes.transData - axes.transAxes).transform(np.array(ends))[:, 1]
    rows = sorted(range(len(ends)), key=lambda row: float(shares[row]))
    heights = [float(shares[row]) for row in rows]
    high = [label.count("\n") + 1 for label in labels]
    for _ in range(100):  # neighbours push each other until none touch
        for i in range(1, len(heights)):
            apart = _LABEL_GAP * (high[rows[i]] + high[rows[i - 1]]) / 2
            lack = max(0.0, apart - (heights[i] - heights[i - 1]))
            heights[i], heights[i - 1] = heights[i] + lack / 2, heights[i - 1] - lack / 2
    heights = [max(height, (0.4 + i) * _LABEL_GAP) for i, height in enumerate(heights)]
    for row, height in zip(rows, heights, strict=True):
        arrow = {"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        axes.annotate("", ends[row], (1.02, height), "data", "axes fraction", arrow, annotation_clip=False)
        (key,) = axes.plot(1.03, height, transform=axes.transAxes, clip_on=False, mec="white", mew=0.4)
        key.set(marker=handles[row].get_marker(), color=handles[row].get_color())
        axes.text(1.045, height, labels[row], transform=axes.transAxes, va="center", fontsize=SMALL)
