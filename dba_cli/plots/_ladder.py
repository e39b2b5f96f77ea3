"""Final accuracies of several experiments, one under the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dba_cli.comparison import Estimate, Section
from dba_cli.plots._style import legend_below, look, new_figure, styled, wrapped

_PAPER: dict[str, Any] = {"marker": "d", "color": "#666666", "markerfacecolor": "none", "linestyle": "none"}


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


def rungs(sections: Sequence[Section]) -> list[Rung]:
    """Return the rows of comparison tables as rungs: those with the plan's config that have runs."""
    return [
        Rung(
            section.experiment,
            row.optimizer,
            row.accuracy,
            row.paper_accuracy,
            f"{len(row.diverged)} of {row.planned} diverged" if row.diverged else "",
        )
        for section in sections
        for row in section.rows
        if row.current and (row.finished or row.diverged)
    ]


def ladder(rows: Sequence[Rung], title: str = "") -> Figure:
    """Return the accuracies as dots with their 95 % Student t intervals, and the paper's as diamonds.

    Dots and not bars: the axis need not begin at zero, so differences of a point stay visible.
    """
    groups = list(dict.fromkeys(row.group for row in rows))
    labels = list(dict.fromkeys(row.label for row in rows))
    places, headings, y = [], [], 0.0
    for group in groups:
        headings.append((y, group))
        y += 0.5
        for row in (row for row in rows if row.group == group):
            # A row is as high as its name, plus the gap to its neighbours.
            half = (0.35 + 0.65 * len(_name(row).split("\n"))) / 2
            y += half
            places.append((y, row))
            y += half
        y += 0.7
    with styled():
        figure = new_figure(0.7 + 0.19 * y, title)
        axes = figure.subplots()
        for place, row in places:
            how = look(labels.index(row.label))
            if row.accuracy is not None:
                axes.errorbar(
                    100 * row.accuracy.mean,
                    place,
                    xerr=100 * (row.accuracy.half_width or 0.0) or None,
                    color=how.colour,
                    marker=how.marker,
                    capsize=2.5,
                )
            if row.paper is not None:
                axes.plot(100 * row.paper, place, **_PAPER)
        for place, row in places:
            axes.annotate(
                _text(row), (1.01, place), xycoords=axes.get_yaxis_transform(), va="center", fontsize=7
            )
        axes.set_yticks([place for place, _ in places], [_name(row) for _, row in places])
        for place, group in headings:
            axes.annotate(
                group,
                (0.005, place),
                xycoords=axes.get_yaxis_transform(),
                va="center",
                weight="bold",
                fontsize=7.5,
            )
        axes.set_ylim(y - 0.4, -0.7)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("Test accuracy at the end of training, %; bars: 95 % interval over seeds")
        axes.margins(x=0.06)
        if all(row.accuracy is None for row in rows):
            axes.set_xlim(0, 100)
            axes.text(0.5, 0.5, "no finished run", transform=axes.transAxes, ha="center", va="center")
        if any(row.paper is not None for row in rows):
            key = Line2D([], [], **_PAPER)
            legend_below(figure, [key], ["the paper's figure, printed there or implied by it"])
    return figure


def _name(row: Rung) -> str:
    return wrapped(row.label, 34)


def _text(row: Rung) -> str:
    if row.accuracy is None:
        return row.remark
    text = f"{100 * row.accuracy:.2f}"
    return f"{text}, {row.remark}" if row.remark else text
