"""How often each image of a draw was chosen, layer by layer."""

from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.figure import Figure

from dba_cli.plots._series import Floats
from dba_cli.plots._style import new_figure, styled, wrapped
from dba_cli.records import SelectionTrace

Labels = npt.NDArray[Any]
"""Classes, by number or by name."""

# A column is a fifth of a millimetre in print; more images than this share columns.
_COLUMNS = 600
# Classes that are named below, and characters that stand beside one another.
_MOST_TICKS, _WORDS = 40, 90


Rates = dict[str, Floats]
"""By layer, how often it chose each image (n,), as a share of the times that it was a candidate; else NaN."""


def choice_rates(trace: SelectionTrace, images: int) -> Rates:
    """Count a trace of a draw of ``images`` images."""
    candidate = np.bincount(trace.images, minlength=images)
    with np.errstate(invalid="ignore"):
        return {
            layer: np.bincount(trace.images[trace.chosen[layer]], minlength=images) / candidate
            for layer in trace.layers
        }


@styled()
def choice_map(rates: Rates, labels: Labels, title: str = "") -> Figure:
    """Return a heat map: a row for each layer, a column for each image, classes side by side.

    In each class the images are sorted by their mean over the layers, the most chosen first. Where there
    are more images than columns, a column is the mean of neighbours.
    """
    grid, starts = _by_class(rates, labels)
    figure = new_figure(1.15 + 0.3 * max(2, len(rates)), title)
    axes = figure.subplots()
    colours = colormaps["cividis"].with_extremes(bad="#dddddd")
    top = max(grid.max(), 1e-9)
    image = axes.imshow(grid, cmap=colours, vmin=0, vmax=top, aspect="auto", interpolation="none")
    axes.grid(visible=False)
    for start in starts[1:-1]:
        axes.axvline(start - 0.5, color="white", linewidth=1.2)
    for row in range(1, len(rates)):
        axes.axhline(row - 0.5, color="white", linewidth=0.8)
    middles = [(a + b - 1) / 2 for a, b in pairwise(starts)]
    classes = [str(label) for label in np.unique(labels)]
    shown = slice(None, None, ceil(len(classes) / _MOST_TICKS))
    slanted = sum(map(len, classes[shown])) > _WORDS
    axes.set_xticks(middles[shown], classes[shown], rotation=90 if slanted else 0)
    axes.set_yticks(range(len(rates)), [wrapped(layer, 36) for layer in rates])
    axes.tick_params(length=0)
    axes.set_xlabel(f"{len(labels):,} training images by class, in each class the most chosen first")
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=2.5 * max(2, len(rates)))
    bar.ax.yaxis.set_major_formatter(lambda value, _position: f"{100 * value:.3g} %")
    bar.set_label("Chosen when\na candidate")
    return figure


def _by_class(rates: Rates, labels: Labels) -> tuple[np.ma.MaskedArray[Any, Any], list[int]]:
    """Return the columns (layers, columns), and where each class begins, with the end of the last."""
    known, mean = np.ma.masked_invalid(list(rates.values())), np.mean(list(rates.values()), axis=0)
    columns, starts = [], [0]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # NaN, never a candidate, comes last; equal rates stay in the order of the draw.
        order = members[np.argsort(-mean[members], kind="stable")]
        count = min(len(order), max(1, round(_COLUMNS * len(order) / len(labels))))
        columns += [known[:, part].mean(axis=1) for part in np.array_split(order, count)]
        starts.append(len(columns))
    return np.ma.stack(columns, axis=1), starts
