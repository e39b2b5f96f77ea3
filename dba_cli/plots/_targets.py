"""Time to target, scored as AlgoPerf does: what misses the target takes for ever."""

from collections.abc import Sequence
from math import floor, inf, isfinite
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dba_cli.plots._series import X_AXES, X_LABELS, Line, Run, XAxis, accuracy, band, position
from dba_cli.plots._style import few_ticks, look, new_figure, styled, wrapped

# Of the best final accuracy: near enough to count as trained, far enough that noise does not decide.
_SHARE_OF_BEST = 0.98


def default_target(lines: Sequence[Line]) -> float:
    """Return 98 % of the best final mean accuracy, rounded down to a whole per cent, as a fraction.

    Where no run finished, of the best accuracy that any evaluation shows.
    """
    finals = [float(band(line.finished, "steps", accuracy).mean[-1]) for line in lines if line.finished]
    if not finals:
        finals = [point.test_accuracy for line in lines for run in line.runs for point in run.history]
    return max(1, floor(100 * _SHARE_OF_BEST * max(finals, default=0.0) + 1e-9)) / 100


def time_to_target(run: Run, target: float, x: XAxis) -> float:
    """Return where the first evaluation with at least ``target`` stands, infinite if there is none."""
    return next((position(point, x) for point in run.history if point.test_accuracy >= target), inf)


def targets(lines: Sequence[Line], target: float, title: str = "") -> Figure:
    """Return the steps, samples and seconds to reach a test accuracy of ``target``, a fraction.

    A bar is the median over the seeds, a dot one seed. A seed that never reaches the target is infinite,
    so the median is, too, where half of them miss it: that is written as "never". Times are those of
    evaluations, so they are as coarse as the evaluation period.
    """
    shown = [line for line in lines if line.runs]
    names = [wrapped(line.label) for line in shown]
    tall = max(name.count("\n") + 1 for name in names)
    with styled():
        figure = new_figure(0.95 + len(shown) * max(0.26, 0.13 * tall + 0.08), title)
        panels = figure.subplots(1, len(X_AXES), sharey=True)
        for axes, x in zip(panels, X_AXES, strict=True):
            for row, line in enumerate(shown):
                _bar(axes, row, [time_to_target(run, target, x) for run in line.runs], x)
            _scale(axes)
            axes.set_xlabel(
                X_LABELS[x] + ("\n" if x != "samples" else f"\nto {100 * target:.4g} % test accuracy")
            )
        panels[0].set_yticks(range(len(shown)), names)
        panels[0].set_ylim(len(shown) - 0.5, -0.5)
    return figure


def _bar(axes: Axes, row: int, times: Sequence[float], x: XAxis) -> None:
    how = look(row)
    middle = median(times)
    reached = [time for time in times if isfinite(time)]
    if isfinite(middle):
        axes.barh(row, middle, height=0.62, color=how.colour, alpha=0.55, edgecolor="black", linewidth=0.6)
        text = f"{middle:.3g}" if x == "seconds" else f"{middle:,.0f}"
    else:
        text = "never"
    if len(reached) < len(times):
        text += f" ({len(reached)} of {len(times)})"
    if len(times) > 1:
        axes.plot(
            reached,
            [row] * len(reached),
            linestyle="none",
            marker="o",
            markersize=3,
            markerfacecolor="white",
            markeredgecolor="black",
            markeredgewidth=0.6,
        )
    # Right of everything in its row; one letter away, whatever the scale.
    axes.annotate(
        text,
        (max([*reached, middle if isfinite(middle) else 0.0]), row),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
    )


def _scale(axes: Axes) -> None:
    """Leave room for the numbers beside the bars; an axis on which nobody arrives has no numbers."""
    right = axes.dataLim.x1
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    if not isfinite(right) or right <= 0:
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        return
    axes.set_xlim(0, 1.6 * right)
    few_ticks(axes, 3)
