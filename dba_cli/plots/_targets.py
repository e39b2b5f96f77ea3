"""Time to target, scored as AlgoPerf does: what misses the target takes for ever."""

from collections.abc import Sequence
from math import floor, inf, isfinite
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dba_cli.comparison import called
from dba_cli.plots._series import X_LABELS, Line, Run, XAxis, band, position
from dba_cli.plots._style import beside, few_ticks, look_of, new_figure, styled, wrapped

# Of the best final accuracy: near enough to count as trained, far enough that noise does not decide.
_SHARE_OF_BEST = 0.98


def default_target(lines: Sequence[Line]) -> float:
    """Return 98 % of the best final mean accuracy, rounded down to a whole per cent, as a fraction.

    Where no run finished, of the best accuracy that any evaluation shows.
    """
    finals = [float(band(line.finished, "steps").mean[-1]) for line in lines if line.finished]
    if not finals:
        finals = [point.test_accuracy for line in lines for run in line.runs for point in run.history]
    return max(1, floor(100 * _SHARE_OF_BEST * max(finals, default=0.0) + 1e-9)) / 100


def time_to_target(run: Run, target: float, x: XAxis) -> float:
    """Return where the first evaluation with at least ``target`` stands, infinite if there is none."""
    return next((position(point, x) for point in run.history if point.test_accuracy >= target), inf)


@styled()
def targets(lines: Sequence[Line], target: float, title: str = "") -> Figure:
    """Return the steps, samples and seconds to reach a test accuracy of ``target``, a fraction.

    A bar is the median over the seeds, also written beside it; a dot is one seed, an arrow one beyond the
    axis. A seed that never reaches the target is infinite, so the median is, too, where half of them miss
    it: hatched, and written "never". Times are those of evaluations, so they are as coarse as their period.
    """
    shown = [line for line in lines if line.runs]
    names = [wrapped(called(line.label)) for line in shown]
    tall = max(name.count("\n") + 1 for name in names)
    figure = new_figure(0.95 + len(shown) * max(0.26, 0.13 * tall + 0.08), title)
    panels = figure.subplots(1, len(X_LABELS), sharey=True)
    for axes, (x, label) in zip(panels, X_LABELS.items(), strict=True):
        times = [[time_to_target(run, target, x) for run in line.runs] for line in shown]
        right = _right(times)
        for row, each in enumerate(times):
            _bar(axes, row, each, right, look_of(shown[row].label)["color"])
            beside(axes, _text(each, x), 1.02, row)
        axes.set_xlim(0, right or 1)
        few_ticks(axes, 3)
        if not right:  # an axis on which nobody arrives has no scale
            axes.set_xticks([0])
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(label)
    panels[0].set(yticks=range(len(shown)), yticklabels=names, ylim=(len(shown) - 0.5, -0.5))
    dots = "; dots: seeds" if any(len(line.runs) > 1 for line in shown) else ""
    figure.supxlabel(
        f"until {100 * target:.4g} % of the test images are right, median{dots}", fontsize="medium"
    )
    return figure


def _right(times: Sequence[Sequence[float]]) -> float:
    """Return where an axis ends, 0 if nobody arrives: one slow seed must not squeeze all bars."""
    bars = [middle for each in times if isfinite(middle := median(each))]
    dots = [time for each in times for time in each if isfinite(time)]
    furthest = max(dots, default=0.0)
    return 1.08 * (min(furthest, 2.5 * max(bars)) if bars else furthest)


def _bar(axes: Axes, row: int, times: Sequence[float], right: float, colour: str) -> None:
    middle = median(times)
    style: dict[str, Any] = {"color": colour, "alpha": 0.55, "edgecolor": "black"}
    if not isfinite(middle):  # goes on for ever
        middle = 2 * (right or 1)
        style = {"color": "none", "edgecolor": "#aaaaaa", "hatch": "////"}
    axes.barh(row, middle, height=0.62, linewidth=0.6, **style)
    if len(times) == 1:
        return
    # A dot beyond the axis is an arrow at its end.
    inside = [time for time in times if time <= right]
    beyond = [right] * sum(right < time < inf for time in times)
    for places, marker in ((inside, "o"), (beyond, ">")):
        if places:  # an empty line would count as one at the figure's corner, for the layout
            dot: dict[str, Any] = {"markersize": 3.2, "mfc": "white", "mec": "black", "mew": 0.6, "zorder": 3}
            axes.plot(places, [row] * len(places), marker, clip_on=False, **dot)


def _text(times: Sequence[float], x: XAxis) -> str:
    middle = median(times)
    number = f"{middle:.3g}" if x == "seconds" else f"{middle:,.0f}".replace(",", " ")
    text = number if isfinite(middle) else "never"
    reached = sum(map(isfinite, times))
    return f"{text}\n({reached} of {len(times)})" if reached < len(times) and len(times) > 1 else text
