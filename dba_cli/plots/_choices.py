"""How often each image of a draw was chosen, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.figure import Figure

from dba_cli.plots._series import Floats
from dba_cli.plots._style import new_figure, styled, wrapped
from dba_cli.records import SelectionTrace

Labels = npt.NDArray[np.integer[Any]]

# A column is a fifth of a millimetre in print; more images than this share columns.
_COLUMNS = 600


@dataclass(frozen=True, eq=False)
class ChoiceRates:
    """How often each layer chose each image, as a share of the times that it was a candidate.

    Attributes:
        layers: names of the layers.
        rates: (layers, images); NaN for an image that never was a candidate.
    """

    layers: Sequence[str]
    rates: Floats

    @property
    def mean(self) -> Floats:
        """Return the mean over the layers, by image."""
        mean: Floats = self.rates.mean(axis=0)
        return mean


def choice_rates(trace: SelectionTrace, images: int) -> ChoiceRates:
    """Count a trace of a draw of ``images`` images."""
    candidate = np.bincount(trace.images, minlength=images)
    with np.errstate(invalid="ignore"):
        rates = [
            np.bincount(trace.images[trace.chosen[layer]], minlength=images) / candidate
            for layer in trace.layers
        ]
    return ChoiceRates(trace.layers, np.array(rates).reshape(len(rates), images))


def choice_map(rates: ChoiceRates, labels: Labels, title: str = "") -> Figure:
    """Return a heat map: a row for each layer, a column for each image, classes side by side.

    In each class the images are sorted by their mean over the layers, the most chosen first. Where there
    are more images than columns, a column is the mean of neighbours.
    """
    grid, starts = _by_class(rates, labels)
    classes = np.unique(labels)
    with styled():
        figure = new_figure(1.15 + 0.3 * max(2, len(rates.layers)), title)
        axes = figure.subplots()
        image = axes.imshow(
            np.ma.masked_invalid(grid),
            cmap=colormaps["cividis"].with_extremes(bad="#dddddd"),
            vmin=0,
            vmax=float(np.nanmax(grid, initial=1e-9)),
            aspect="auto",
            interpolation="none",
        )
        axes.grid(visible=False)
        for start in starts[1:-1]:
            axes.axvline(start - 0.5, color="white", linewidth=1.2)
        for row in range(1, len(rates.layers)):
            axes.axhline(row - 0.5, color="white", linewidth=0.8)
        middles = [(a + b - 1) / 2 for a, b in pairwise(starts)]
        axes.set_xticks(middles, [str(label) for label in classes])
        axes.set_yticks(range(len(rates.layers)), [wrapped(layer, 36) for layer in rates.layers])
        axes.tick_params(length=0)
        axes.set_xlabel(f"{len(labels):,} training images by class, in each class the most chosen first")
        bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=2.5 * max(2, len(rates.layers)))
        bar.ax.yaxis.set_major_formatter(lambda value, _position: f"{100 * value:.3g} %")
        bar.set_label("Chosen when\na candidate")
    return figure


def _by_class(rates: ChoiceRates, labels: Labels) -> tuple[Floats, list[int]]:
    """Return the columns (layers, columns), and where each class begins, with the end of the last."""
    classes = np.unique(labels)
    parts, starts = [], [0]
    for label in classes:
        members = np.flatnonzero(labels == label)
        # NaN, never a candidate, comes last; equal rates stay in the order of the draw.
        order = members[np.argsort(-rates.mean[members], kind="stable")]
        columns = min(len(order), max(1, round(_COLUMNS * len(order) / len(labels))))
        pieces = np.array_split(rates.rates[:, order], columns, axis=1)
        parts.append(np.stack([_mean_of_known(piece) for piece in pieces], axis=1))
        starts.append(starts[-1] + columns)
    return np.concatenate(parts, axis=1), starts


def _mean_of_known(piece: Floats) -> Floats:
    known = np.isfinite(piece)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.where(known, piece, 0.0).sum(axis=1) / known.sum(axis=1)
    return mean
