"""Galleries: the images themselves, with a word under each."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dba_cli.plots._choices import ChoiceRates, Labels
from dba_cli.plots._style import WIDTH, new_figure, styled, wrapped

Images = npt.NDArray[np.uint8]

_PER_ROW = 12
_PER_CLASS = 20
# Layers of which the most and the least chosen images are shown one by one; above, their mean.
_LAYERS = 4


def drawn_images(images: Images, labels: Labels, title: str = "") -> Figure:
    """Return the images of a draw, a row for each class: up to 20 of each, the first of the draw.

    Args:
        images: uint8, (n, height, width), or (n, height, width, 3) in colour.
        labels: (n,).
        title: stands over the figure.
    """
    classes = np.unique(labels)
    rows = [images[labels == label][:_PER_CLASS] for label in classes]
    columns = max(map(len, rows))
    counts = [int((labels == label).sum()) for label in classes]
    more = f", up to {_PER_CLASS} of each class" if max(counts) > _PER_CLASS else ""
    with styled():
        height = min(0.33, (WIDTH - 0.4) / columns) * len(rows)
        figure = new_figure(height + 0.35, title, width=max(3.5, 0.33 * columns + 0.5))
        axes = figure.subplots()
        _mosaic(axes, rows, columns, gap=0)
        middles = [_middle(row, images, 0) for row in range(len(rows))]
        axes.set_yticks(middles, [str(label) for label in classes])
        axes.set_ylabel("Class")
        axes.set_xlabel(f"{len(labels):,} images{more}")
    return figure


def chosen_images(rates: ChoiceRates, images: Images, labels: Labels, title: str = "") -> Figure:
    """Return the images that each layer chose most and least often, with their class and the share.

    Of images with equal shares the first of the draw are shown. Networks of more than four layers are
    shown by the mean over their layers.
    """
    few = len(rates.layers) <= _LAYERS
    by_layer = dict(zip(rates.layers, rates.rates, strict=True)) if few else {"all layers": rates.mean}
    rows, names, captions = [], [], []
    for layer, shares in by_layer.items():
        known = np.flatnonzero(np.isfinite(shares))
        shown = max(1, min(_PER_ROW, len(known) // 2))
        for word, sign in (("most", -1), ("least", 1)):
            picks = known[np.argsort(sign * shares[known], kind="stable")[:shown]]
            rows.append(images[picks])
            names.append(f"{wrapped(layer, 16)}\n{word} often")
            captions.append([f"{labels[i]}: {100 * shares[i]:.0f} %" for i in picks])
    with styled():
        figure = new_figure(0.3 + 0.68 * len(rows), title)
        axes = figure.subplots()
        _mosaic(axes, rows, max(map(len, rows)), captions=captions)
        axes.set_yticks([_middle(row, images) for row in range(len(rows))], names)
        axes.set_xlabel("Below each: its class, and how often the layer chose it when it was a candidate")
    return figure


def disagreements(
    images: Images,
    labels: Labels,
    first: tuple[str, Labels],
    second: tuple[str, Labels],
    title: str = "",
    noun: str = "test images",
) -> Figure:
    """Return test images that one of two networks gets right and the other one wrong, both ways.

    They are the first in the test set's order, picked by nothing else.

    Args:
        images: uint8, (n, height, width), or (n, height, width, 3) in colour.
        labels: the true classes (n,).
        first: a name, and the classes (n,) that it predicted.
        second: the same of the other one.
        title: stands over the figure.
        noun: what the images are.
    """
    blocks = [_one_way(labels, first, second, noun), _one_way(labels, second, first, noun)]
    heights = [max(1, ceil(min(len(picks), 2 * _PER_ROW) / _PER_ROW)) for _, picks, _ in blocks]
    with styled():
        lines = sum(heading.count("\n") + 1 for heading, _, _ in blocks)
        figure = new_figure(0.4 + 0.14 * lines + sum(0.72 * height + 0.15 for height in heights), title)
        panels = figure.subplots(2, 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (heading, picks, mistaken), height in zip(panels, blocks, heights, strict=True):
            axes.set_title(heading, loc="left")
            shown = picks[: 2 * _PER_ROW]
            rows = [shown[start : start + _PER_ROW] for start in range(0, _PER_ROW * height, _PER_ROW)]
            captions = [[f"{labels[i]} as {mistaken[i]}" for i in row] for row in rows]
            _mosaic(axes, [images[row] for row in rows], _PER_ROW, captions=captions)
            if not len(picks):
                axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center")
            axes.set_yticks([])
        panels[1].set_xlabel("“4 as 9”: a 4 that the wrong one takes for a 9. The first such images.")
    return figure


def _one_way(
    labels: Labels, right: tuple[str, Labels], wrong: tuple[str, Labels], noun: str
) -> tuple[str, npt.NDArray[np.intp], Labels]:
    picks = np.flatnonzero((right[1] == labels) & (wrong[1] != labels))
    heading = f"{right[0]} is right, {wrong[0]} is wrong: {len(picks):,} of {len(labels):,} {noun}"
    return wrapped(heading, 100), picks, wrong[1]


# Pixels, of the size of the images', between tiles and for the words below each.
_GAP = 3
_WORDS = 9


def _middle(row: int, images: Images, gap: int = _GAP) -> float:
    height = int(images.shape[1])
    step = height + gap + (_WORDS if gap else 0)
    return row * step + height / 2 - 0.5


def _mosaic(
    axes: Axes,
    rows: Sequence[Images],
    columns: int,
    *,
    gap: int = _GAP,
    captions: Sequence[Sequence[str]] | None = None,
) -> None:
    """Draw all tiles as one picture, grey ones dark on white; ``captions`` are written below the tiles."""
    height, width, *channels = rows[0].shape[1:]
    down, across = height + gap + (_WORDS if gap else 0), width + gap
    white = 255 if channels else 0
    canvas = np.full((len(rows) * down - gap, columns * across - gap, *channels), white, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            canvas[i * down : i * down + height, j * across : j * across + width] = tile
            if captions:
                place = (j * across + width / 2 - 0.5, i * down + height)
                axes.text(*place, captions[i][j], ha="center", va="top", fontsize=6)
    options: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 255, "interpolation": "none"}
    axes.imshow(canvas, **options)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
