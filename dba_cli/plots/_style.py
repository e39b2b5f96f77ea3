"""How every figure looks, and how it becomes a file: the same input, the same bytes."""

import io
import re
import textwrap
from collections.abc import Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from dba_cli.records import write_atomically

FORMATS = ("png", "svg")
WIDTH = 6.9
"""Inches: both columns of a paper."""

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 3.2,  # a whole period of every dash pattern
    "figure.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "savefig.dpi": 300,
    "svg.hashsalt": "dba",
    "svg.fonttype": "path",
}

# Okabe and Ito's colours, less the yellow that white paper swallows; dark and light in turn for grey.
_COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
_BREAKS = re.compile(r"(: |, | |[_/-]|\.(?![0-9]))")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*")


def look(index: int) -> dict[str, Any]:
    """Return what tells line number ``index`` from the first 385: three ways, each enough without colour."""
    ways = {"color": _COLOURS, "linestyle": _DASHES, "marker": _MARKERS}
    return {key: values[index % len(values)] for key, values in ways.items()}


_DEFAULTS: dict[Any, Any] = {key: value for key, value in mpl.rcParamsDefault.items() if key != "backend"}
styled = partial(mpl.rc_context, _DEFAULTS | _RC)
"""Apply the style, whatever the user's matplotlibrc says, and put everything back afterwards."""


def new_figure(height: float, title: str = "", width: float = WIDTH) -> Figure:
    """Return a figure without axes, higher than ``height`` by its title, which is wrapped to its width."""
    # In 8 points DejaVu, about 15 letters an inch.
    lines = [part for line in title.split("\n") for part in textwrap.wrap(line, int(15 * width))]
    figure = Figure(figsize=(width, height + 0.14 * len(lines)), layout="constrained")
    if lines:
        figure.suptitle("\n".join(lines))
    return figure


def grid(figure: Figure, count: int, columns: int) -> list[Axes]:
    """Return ``count`` axes in rows of ``columns``, with one vertical scale."""
    panels = figure.subplots(ceil(count / columns), columns, squeeze=False, sharey=True).flatten()
    for axes in panels[count:]:
        axes.remove()
    return list(panels[:count])


def beside(axes: Axes, text: str, x: float, y: float, **options: Any) -> None:
    """Write at the height ``y`` of the data, ``x`` widths of the axes from their left."""
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", **{"fontsize": 7} | options)


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> Legend:
    """Put a legend under the axes in as many columns as fit, and make the figure higher by its height."""
    shown = ["\n".join(textwrap.wrap(label, 70)) for label in labels]
    width, height = figure.get_size_inches()
    for columns in range(min(len(labels), 6), 0, -1):
        even = ceil(len(labels) / ceil(len(labels) / columns))  # the fewest that need no more rows
        legend = figure.legend(handles, shown, loc="outside lower center", ncols=even)
        extent = legend.get_window_extent()
        if extent.width <= 0.97 * width * figure.dpi or columns == 1:
            break
        legend.remove()
    figure.set_size_inches(width, height + extent.height / figure.dpi)
    return legend


def wrapped(name: str, width: int = 26) -> str:
    """Return ``name`` broken into lines, after a separator where there is one."""
    lines = [""]
    for part in _BREAKS.sub("\\1\0", name).split("\0"):
        if len(lines[-1] + part) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(piece for line in lines for piece in textwrap.wrap(line, width) or [""])


def compact(value: float, _position: object = None) -> str:
    """Return a tick's number with k or M for thousands and millions."""
    for limit, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g}{sign}"
    return f"{value:.4g}"


def few_ticks(axes: Axes, ticks: int = 4) -> None:
    """Give the horizontal axis about ``ticks`` short numbers, which cannot touch each other."""
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2))
    axes.xaxis.set_major_formatter(compact)


def save(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write ``stem``.png and ``stem``.svg, each atomically; return their paths.

    No date and no version goes into them: from the same records come the same bytes.

    Raises:
        UserError: The folder cannot be written.
    """
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    for path, name in zip(paths, formats, strict=True):
        write_atomically(path, encode(figure, name))
    return paths


def encode(figure: Figure, name: str) -> bytes:
    """Return the bytes of the figure as ``png`` or ``svg``, as ``save`` writes them."""
    unsaid = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    out = io.BytesIO()
    with styled():
        figure.savefig(out, format=name, metadata=unsaid[name])
    return out.getvalue()
