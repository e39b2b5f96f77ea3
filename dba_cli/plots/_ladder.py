"""Final accuracies of several experiments, one under the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dba_cli.comparison import Estimate, called
from dba_cli.plots._style import (
    beside,
    error_percent,
    legend_below,
    look_of,
    new_figure,
    plain_ticks,
    styled,
    wrapped,
)

_PAPER: dict[str, Any] = {"marker": "d", "color": "#666666", "markerfacecolor": "none", "linestyle": "none"}
_LETTERS = 34


@dataclass(frozen=True)
class Rung:
    """One row: a final accuracy (a fraction) with its interval, None where every run diverged.

    Rungs of one ``group`` stand together; ``paper`` is the paper's accuracy for it.
    """

    group: str
    label: str
    accuracy: Estimate | None
    paper: float | None = None
    remark: str = ""


@styled()
def ladder(rows: Sequence[Rung], title: str = "") -> Figure:
    """Return the errors as dots with their 95 % Student t intervals, and the paper's as diamonds.

    The axis is logarithmic and the better end is on the right: as much is seen of 3 % beside 2 % as of 30 %
    beside 20 %. The accuracy is written beside.
    """
    places, headings, y = [], [], 0.0
    for group in dict.fromkeys(row.group for row in rows):
        headings.append((y, group))
        y += 0.5
        for row in (row for row in rows if row.group == group):
            # A row is as high as its name, plus the gap to its neighbours.
            half = (0.35 + 0.65 * len(wrapped(called(row.label), _LETTERS).split("\n"))) / 2
            places.append((y + half, row))
            y += 2 * half
        y += 0.7
    figure = new_figure(0.7 + 0.19 * y, title)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.invert_xaxis()
    for place, row in places:
        how = look_of(row.label) | {"linestyle": "-"}
        if row.accuracy is not None:
            mean, half = row.accuracy.mean, row.accuracy.half_width or 0.0
            error, low, high = (error_percent(each) for each in (mean, mean + half, mean - half))
            bar = [[error - low], [high - error]] if half else None
            axes.errorbar(error, place, xerr=bar, capsize=2.5, **how)
        if row.paper is not None:
            axes.plot(error_percent(row.paper), place, **_PAPER)
        accuracy = "" if row.accuracy is None else f"{100 * row.accuracy:.2f}"
        beside(axes, ", ".join(filter(None, (accuracy, row.remark))), 1.01, place)
    axes.set_yticks(
        [place for place, _ in places], [wrapped(called(row.label), _LETTERS) for _, row in places]
    )
    for place, group in headings:
        beside(axes, group, 0.005, place, weight="bold", fontsize="medium")
    axes.set_ylim(y - 0.4, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Test error, %, with its 95 % interval")
    axes.margins(x=0.06)
    if all(row.accuracy is None for row in rows):
        axes.set_xlim(100, 1)
        axes.text(0.5, 0.5, "no finished run", transform=axes.transAxes, ha="center", va="center")
    plain_ticks(axes.xaxis)
    if any(row.paper is not None for row in rows):
        key = Line2D([], [], **_PAPER)
        legend_below(figure, [key], ["the paper's figure, printed there or implied by it"])
    return figure
