"""Curves over training, the mean over seeds and its interval: of accuracies, and of what layers kept."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dba_cli.plots._series import X_LABELS, Band, Line, XAxis, band, position
from dba_cli.plots._style import WIDTH, few_ticks, grid, legend_below, look, new_figure, styled, wrapped

# Below the best by more than this, in per cent, a line is left out of the enlarged panel.
_NEAR = 8.0
_MARKS = 7


@styled()
def learning_curves(lines: Sequence[Line], x: XAxis, title: str = "") -> Figure:
    """Return the test accuracy of each line against ``x``, whole and, where it helps, enlarged.

    The line is the mean over the finished seeds and the band its 95 % Student t interval, as in the
    tables. A diverged run is in no mean: it is drawn by itself, thin, up to its last evaluation (a cross).
    The lines may be of one experiment or of several.
    """
    figure = new_figure(2.7, title)
    bands = [band(line.finished, x) for line in lines]
    limits = _enlarged(bands)
    panels = figure.subplots(1, 2 if limits else 1, squeeze=False)[0]
    handles = [_draw_band(axes, each, i) for i, each in enumerate(bands) for axes in panels]
    for axes in panels:
        for i, line in enumerate(lines):
            for run in line.diverged:
                points = [(position(point, x), 100 * point.test_accuracy) for point in run.history]
                axes.plot(*zip(*points, strict=True), **look(i) | {"marker": ""}, linewidth=0.7)
                axes.plot(*points[-1], **look(i) | {"marker": "x", "linestyle": "none"})
        few_ticks(axes)
        if axes.dataLim.x1 <= 0:  # nothing but the evaluation before training
            axes.set(xlim=(-0.05, 1), xticks=[0])
        axes.set_xlabel(X_LABELS[x])
    panels[0].set(ylabel="Test accuracy, %", ylim=(0, 100))
    if limits:
        panels[1].set(ylim=limits, title="Enlarged around the best")
    keys: list[Artist] = list(handles[:: len(panels)])
    labels = [line.legend for line in lines]
    if any(line.diverged for line in lines):
        keys.append(Line2D([], [], color="#555555", linewidth=0.7, marker="x"))
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
    figure = new_figure(0.5 + 1.8 * ceil(len(shown) / columns), title, width=WIDTH if columns > 1 else 4.4)
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
    """Draw a mean in per cent and its interval; return the line for a legend."""
    x, mean, low, high = each.x, 100 * each.mean, 100 * each.low, 100 * each.high
    # Markers are few, and lines that run together wear theirs at different places.
    stride = max(1, len(x) // _MARKS)
    (line,) = axes.plot(x, mean, markevery=(index % stride, stride), mec="white", mew=0.4, **look(index))
    if (high > low).any():
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.16, linewidth=0.5, zorder=1.5)
    return line


def _enlarged(bands: Sequence[Band]) -> tuple[float, float] | None:
    """Return the range, in per cent, of the second half of training; None where it shows nothing new.

    Of the lines that end near the best one: a failure far below would leave the others as flat as before.
    """
    lasting = [each for each in bands if len(each.x) >= 4]
    if not lasting:
        return None
    best = max(each.mean[-1] for each in lasting)
    near = [each for each in lasting if 100 * (best - each.mean[-1]) <= _NEAR]
    _, means, lows, highs = (
        100 * np.concatenate([values[len(values) // 2 :] for values in parts])
        for parts in zip(*near, strict=True)
    )
    # An interval of two seeds can be wider than all differences: the means must stay readable.
    bottom, top = float(means.min()), float(means.max())
    room = max(0.5, top - bottom)
    low, high = max(float(lows.min()), bottom - room), min(float(highs.max()), top + room)
    if high - low > 50:
        return None
    margin = max(0.25, 0.08 * (high - low))
    return max(0.0, low - margin), min(100.0, high + margin)
