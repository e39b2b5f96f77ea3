"""Learning curves: the mean over seeds and its interval, against steps, samples or seconds."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dba_cli.plots._series import X_LABELS, Band, Line, XAxis, accuracy, band, position
from dba_cli.plots._style import Look, few_ticks, legend_below, look, new_figure, styled

# Below the best by more than this, in per cent, a line is left out of the enlarged panel.
_NEAR = 8.0
_MARKS = 7


def learning_curves(lines: Sequence[Line], x: XAxis, title: str = "") -> Figure:
    """Return the test accuracy of each line against ``x``, whole and, where it helps, enlarged.

    The line is the mean over the finished seeds and the band its 95 % Student t interval, as in the
    tables. A diverged run is in no mean: it is drawn by itself, thin, up to its last evaluation (a cross).
    The lines may be of one experiment or of several.
    """
    with styled():
        figure = new_figure(2.7, title)
        bands = [band(line.finished, x, accuracy) for line in lines]
        limits = _enlarged(bands)
        panels = figure.subplots(1, 2 if limits else 1, squeeze=False)[0]
        handles = [draw_band(axes, each, look(i), i) for i, each in enumerate(bands) for axes in panels]
        for axes in panels:
            for i, line in enumerate(lines):
                _draw_diverged(axes, line, x, look(i))
            few_ticks(axes)
            if axes.dataLim.x1 <= 0:  # nothing but the evaluation before training
                axes.set_xlim(-0.05, 1)
                axes.set_xticks([0])
            axes.set_xlabel(X_LABELS[x])
        panels[0].set_ylabel("Test accuracy, %")
        panels[0].set_ylim(0, 100)
        if limits:
            panels[1].set_ylim(*limits)
            panels[1].set_title("Enlarged around the best")
        keys: list[Artist] = list(handles[:: len(panels)])
        labels = [line.legend for line in lines]
        if any(line.diverged for line in lines):
            keys.append(Line2D([], [], color="#555555", linewidth=0.7, marker="x"))
            labels.append("diverged run, to its last evaluation")
        legend_below(figure, keys, labels)
    return figure


def draw_band(axes: Axes, each: Band, how: Look, index: int) -> Line2D:
    """Draw a mean in per cent and its interval; return the line for a legend."""
    # Markers are few, and lines that run together wear theirs at different places.
    stride = max(1, len(each) // _MARKS)
    (line,) = axes.plot(
        each.x,
        100 * each.mean,
        color=how.colour,
        linestyle=how.dashes,
        marker=how.marker,
        markevery=(index % stride, stride),
        markeredgecolor="white",
        markeredgewidth=0.4,
    )
    if (each.high > each.low).any():
        axes.fill_between(
            each.x, 100 * each.low, 100 * each.high, color=how.colour, alpha=0.16, linewidth=0.5, zorder=1.5
        )
    return line


def _draw_diverged(axes: Axes, line: Line, x: XAxis, how: Look) -> None:
    for run in line.diverged:
        points = [(position(point, x), 100 * point.test_accuracy) for point in run.history]
        axes.plot(*zip(*points, strict=True), color=how.colour, linestyle=how.dashes, linewidth=0.7)
        axes.plot(*points[-1], color=how.colour, marker="x", linestyle="none")


def _enlarged(bands: Sequence[Band]) -> tuple[float, float] | None:
    """Return the range, in per cent, of the second half of training; None where it shows nothing new.

    Of the lines that end near the best one: a failure far below would leave the others as flat as before.
    """
    lasting = [each for each in bands if len(each) >= 4]
    if not lasting:
        return None
    best = max(each.mean[-1] for each in lasting)
    near = [each for each in lasting if 100 * (best - each.mean[-1]) <= _NEAR]
    late = [slice(len(each) // 2, None) for each in near]
    low = 100 * min(float(each.low[part].min()) for each, part in zip(near, late, strict=True))
    high = 100 * max(float(each.high[part].max()) for each, part in zip(near, late, strict=True))
    # An interval of two seeds can be wider than all differences: the means must stay readable.
    bottom = 100 * min(float(each.mean[part].min()) for each, part in zip(near, late, strict=True))
    top = 100 * max(float(each.mean[part].max()) for each, part in zip(near, late, strict=True))
    room = max(0.5, top - bottom)
    low, high = max(low, bottom - room), min(high, top + room)
    if high - low > 50:
        return None
    margin = max(0.25, 0.08 * (high - low))
    return max(0.0, low - margin), min(100.0, high + margin)
