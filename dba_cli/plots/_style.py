"""How every figure looks, and how it becomes a file: the same input, the same bytes."""

import io
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from zlib import crc32

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from dba_cli.comparison import called
from dba_cli.records import write_atomically

FORMATS = ("png", "svg", "pdf")
WIDTH = 6.9
"""Inches: both columns of a paper."""


@dataclass(frozen=True)
class Layout:
    """What a paper or slides may want otherwise: inches, points, and whether there are titles."""

    width: float = WIDTH
    font_size: float = 8.0
    titles: bool = True


_USUAL = Layout()
_LAYOUT: ContextVar[Layout] = ContextVar("layout", default=_USUAL)


@contextmanager
def layout(chosen: Layout) -> Iterator[None]:
    """Draw with this layout what is drawn within."""
    token = _LAYOUT.set(chosen)
    try:
        yield
    finally:
        _LAYOUT.reset(token)


_SIZES = {"font.size": 1.0, "axes.titlesize": 1.0, "figure.titlesize": 1.0, "legend.fontsize": 0.94}
_SIZES |= {"xtick.labelsize": 0.875, "ytick.labelsize": 0.875}
SMALL = "small"
"""The size of what stands beside the data."""
_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters on every machine
    "legend.frameon": False,
    "legend.handlelength": 3.2,  # a whole period of every dash pattern
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
    "pdf.fonttype": 42,  # letters stay letters
}

# Okabe and Ito's colours, less the yellow that white paper swallows; dark and light in turn for grey.
_COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
# With this salt the optimizers of the project's own figures have colours of their own.
_SALT = 10774
_LEAST_ERROR = 0.01  # per cent
_FIRST = ("sgd", "adam", "dba", "random")  # and these four have the first four looks
_BREAKS = re.compile(r"(: |, | |[_/-]|\.(?![0-9]))")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*")


def look(index: int) -> dict[str, Any]:
    """Return what tells line number ``index`` from the first 385: three ways, each enough without colour."""
    ways = {"color": _COLOURS, "linestyle": _DASHES, "marker": _MARKERS}
    return {key: values[index % len(values)] for key, values in ways.items()}


def look_of(name: str) -> dict[str, Any]:
    """Return the look of an optimizer's line: the same in every figure, by its name alone."""
    first = [called(each) for each in _FIRST]
    if called(name) in first:
        return look(first.index(called(name)))
    hashed = crc32(name.encode(), _SALT)
    return look(hashed % 7) | {
        "linestyle": _DASHES[hashed // 7 % len(_DASHES)],
        "marker": _MARKERS[hashed // 35 % len(_MARKERS)],
    }


_DEFAULTS: dict[Any, Any] = {key: value for key, value in mpl.rcParamsDefault.items() if key != "backend"}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style, whatever the user's matplotlibrc says, and put everything back afterwards."""
    sizes = {key: share * _LAYOUT.get().font_size for key, share in _SIZES.items()}
    with mpl.rc_context(_DEFAULTS | _RC | sizes):
        yield


def new_figure(height: float, title: str = "", width: float = WIDTH) -> Figure:
    """Return a figure without axes, higher than ``height`` by its title, which is wrapped to its width.

    ``width`` is of a figure of which the widest has `WIDTH` inches; the layout may be another.
    """
    wanted = _LAYOUT.get()
    width *= wanted.width / WIDTH
    points = letters(1)  # of 8 points DejaVu about 15 letters go into an inch
    title = title if wanted.titles else ""
    lines = [part for line in title.split("\n") for part in textwrap.wrap(line, int(15 * width / points))]
    figure = Figure(figsize=(width, height * points + 0.14 * points * len(lines)), layout="constrained")
    if lines:
        figure.suptitle("\n".join(lines))
    return figure


def letters(points: float) -> float:
    """Return the size of letters that have so many ``points`` beside the usual 8."""
    return points * _LAYOUT.get().font_size / _USUAL.font_size


def grid(figure: Figure, count: int, columns: int) -> list[Axes]:
    """Return ``count`` axes in rows of ``columns``, with one vertical scale."""
    panels = figure.subplots(ceil(count / columns), columns, squeeze=False, sharey=True).flatten()
    for axes in panels[count:]:
        axes.remove()
    return list(panels[:count])


def beside(axes: Axes, text: str, x: float, y: float, **options: Any) -> None:
    """Write at the height ``y`` of the data, ``x`` widths of the axes from their left."""
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", **{"fontsize": SMALL} | options)


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


def error_percent(accuracy: Any) -> Any:
    """Return the error of accuracies in [0, 1], per cent; never 0, which a logarithmic axis lacks."""
    return np.maximum(100 * (1 - np.asarray(accuracy)), _LEAST_ERROR)


def plain_ticks(axis: Axis, written: Callable[[float], str] = "{:g}".format) -> None:
    """Give a logarithmic axis numbers as they are ``written``, a handful whatever its range."""
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    steps: Sequence[float] = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    for at_least, coarser in ((0.6, (1, 2, 3, 5)), (1.6, (1, 2, 5)), (2.5, (1,))):
        steps = coarser if decades > at_least else steps
    axis.set_major_locator(mpl.ticker.LogLocator(10, steps))
    axis.set_major_formatter(lambda value, _position: written(value))
    axis.set_minor_locator(mpl.ticker.NullLocator())


def save(figure: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write ``stem`` in each of ``formats``, of `FORMATS`, each file atomically; return their paths.

    No date and no version goes into them: from the same records come the same bytes.

    Raises:
        UserError: The folder cannot be written.
    """
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    for path, name in zip(paths, formats, strict=True):
        write_atomically(path, encode(figure, name))
    return paths


def encode(figure: Figure, name: str) -> bytes:
    """Return the bytes of the figure as one of `FORMATS`, as ``save`` writes them."""
    unsaid = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    out = io.BytesIO()
    with styled():
        figure.savefig(out, format=name, metadata=unsaid[name])
    return out.getvalue()
