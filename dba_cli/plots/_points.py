"""Final accuracies along what was varied: one key of a sweep, two of them, or a number on an axis."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dba_cli.comparison import Estimate, called
from dba_cli.plots._curves import label_ends
from dba_cli.plots._style import SMALL, WIDTH, grid, look_of, new_figure, styled, wrapped

Points = Mapping[tuple[str, ...], Estimate]
"""By the values of the keys, as text in the order of the axes: the mean accuracy there, a fraction."""


@styled()
def points_along(panels: Mapping[str, Points], key: str, choices: Sequence[str], title: str = "") -> Figure:
    """Return the accuracy at each value of one key, with 95 % Student t intervals, an optimizer a panel."""
    columns = min(2, len(panels))
    figure = new_figure(0.6 + 1.9 * -(-len(panels) // columns), title)
    for axes, (name, points) in zip(grid(figure, len(panels), columns), panels.items(), strict=True):
        for place, choice in enumerate(choices):
            if (at := points.get((choice,))) is not None:
                bar = 100 * (at.half_width or 0.0) or None
                axes.errorbar(
                    place, 100 * at.mean, yerr=bar, capsize=2.5, **look_of(name) | {"linestyle": "none"}
                )
        axes.set_xticks(range(len(choices)), [wrapped(choice, 12) for choice in choices])
        axes.set_title(called(name))
        axes.set_xlabel(key)
        axes.margins(x=0.1)
    figure.supylabel("Final accuracy, %", fontsize="medium")
    return figure


@styled()
def heat_maps(
    panels: Mapping[str, Points],
    keys: tuple[str, str],
    choices: tuple[Sequence[str], Sequence[str]],
    title: str = "",
) -> Figure:
    """Return the accuracy at each pair of values, an optimizer a panel, in one colour scale.

    The first key goes down. A pair that was not run stays blank, and the best of each panel is bold.
    """
    down, across = choices
    shown = [100 * at.mean for points in panels.values() for at in points.values()]
    limits: dict[str, Any] = {"vmin": min(shown), "vmax": max(shown)}
    height = 0.7 + 0.3 * len(down)
    columns = min(2, len(panels))
    figure = new_figure(0.4 + max(0.8, height) * -(-len(panels) // columns), title)
    for axes, (name, points) in zip(grid(figure, len(panels), columns), panels.items(), strict=True):
        means = [[_percent(points.get((row, column))) for column in across] for row in down]
        image = axes.imshow(means, cmap="cividis", aspect="auto", **limits)
        middle = sum(limits.values()) / 2
        best = max(points, key=lambda pair: points[pair].mean)
        for (row, column), at in points.items():
            y, x = down.index(row), across.index(column)
            colour = "white" if 100 * at.mean < middle else "black"
            weight = "bold" if (row, column) == best else "normal"
            axes.text(
                x,
                y,
                f"{100 * at.mean:.2f}",
                ha="center",
                va="center",
                color=colour,
                weight=weight,
                fontsize=SMALL,
            )
        axes.set_xticks(range(len(across)), [wrapped(choice, 12) for choice in across])
        axes.set_yticks(range(len(down)), [wrapped(choice, 16) for choice in down])
        axes.set(title=called(name), xlabel=keys[1], ylabel=keys[0])
        axes.spines[:].set_visible(False)
        axes.grid(visible=False)
    figure.colorbar(image, ax=figure.axes, label="Final accuracy, %")
    return figure


@styled()
def difference_map(
    cells: Mapping[tuple[str, str], tuple[float, bool]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
) -> Figure:
    """Return differences in points by row and column; those that are one, and no chance, are in colour.

    ``cells`` says of each what it is, and whether it is one. Colours end where nine of ten differences do.
    """
    sizes = sorted(abs(mean) for mean, _ in cells.values())
    end = max(sizes[int(0.9 * (len(sizes) - 1))], 1e-9)
    coloured = {key: mean for key, (mean, is_one) in cells.items() if is_one}
    figure = new_figure(0.7 + 0.2 * len(rows), title)
    axes = figure.subplots()
    means = [[coloured.get((row, column), np.nan) for column in columns] for row in rows]
    image = axes.imshow(means, cmap="PuOr", aspect="auto", vmin=-end, vmax=end)
    for (row, column), (mean, is_one) in cells.items():
        colour = "#777777" if not is_one else "white" if abs(mean) > 0.7 * end else "black"
        style: dict[str, Any] = {"weight": "bold" if is_one else "normal", "fontsize": SMALL}
        place = columns.index(column), rows.index(row)
        axes.text(*place, f"{mean:+.1f}", ha="center", va="center", color=colour, **style)
    axes.set_xticks(range(len(columns)), [wrapped(column, 12) for column in columns])
    axes.set_yticks(range(len(rows)), rows)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="Points more", extend="both")
    return figure


@styled()
def accuracy_along(
    lines: Mapping[str, Mapping[float, Estimate]],
    label: str,
    remarks: Mapping[tuple[str, float], str],
) -> Figure:
    """Return the accuracy, a fraction, of several optimizers along a number, with 95 % Student t intervals.

    ``label`` is of that number's axis; ``remarks`` stand at points of a line.
    """
    figure = new_figure(2.6, width=0.75 * WIDTH)
    axes = figure.subplots()
    handles, ends, labels = [], [], []
    for i, (name, points) in enumerate(lines.items()):
        places = [place + 0.4 * i for place in points]  # intervals stand side by side
        means = [100 * at.mean for at in points.values()]
        halves = [100 * (at.half_width or 0.0) for at in points.values()]
        handles.append(axes.errorbar(places, means, yerr=halves, capsize=2.5, **look_of(name)).lines[0])
        *inner, last = points
        for at in inner:
            top = 100 * (points[at].mean + (points[at].half_width or 0.0))
            said = remarks.get((name, at), "")
            axes.annotate(said, (at, top), (0, 4), textcoords="offset points", fontsize=SMALL)
        ends.append((places[-1], means[-1]))
        remark = f"\n({remarks[name, last]})" if (name, last) in remarks else ""
        labels.append(wrapped(called(name), 18) + remark)
    ticks = list(dict.fromkeys(chain(*lines.values())))
    axes.set(xlabel=label, ylabel="Test accuracy, %", xticks=ticks)
    label_ends(axes, ends, handles, labels)
    return figure


def _percent(at: Estimate | None) -> float:
    return float("nan") if at is None else 100 * at.mean
