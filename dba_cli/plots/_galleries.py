"""Galleries: the images themselves, with a word under each.

Images are uint8, (n, height, width), or (n, height, width, 3) in colour; their classes are (n,), numbers or
names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dba_cli.plots._choices import Labels, Rates
from dba_cli.plots._series import Floats
from dba_cli.plots._style import WIDTH, letters, new_figure, styled, wrapped

Images = npt.NDArray[np.uint8]

_PER_ROW = 12
_PER_CLASS = 20
_CLASSES = 50
# Layers of which the most and the least chosen images are shown one by one; above, their mean.
_LAYERS = 4
# Between tiles, and for a line of words below each, as shares of the images' height.
_GAP = 3 / 28
_WORDS = 9 / 28
_LONG = 11  # characters that go below an image in one line


@styled()
def drawn_images(images: Images, labels: Labels, title: str = "") -> Figure:
    """Return the images of a draw, a row for each class: up to 20 of each, the first of the draw."""
    every, counts = np.unique(labels, return_counts=True)
    classes = every[:_CLASSES]
    columns = min(counts.max(), _PER_CLASS)
    more = f", up to {_PER_CLASS} of each class" if counts.max() > _PER_CLASS else ""
    more += f", the first {_CLASSES} of {len(every)} classes" if len(every) > _CLASSES else ""
    height = min(0.33, (WIDTH - 0.4) / columns) * len(classes)
    figure = new_figure(height + 0.35, title, width=max(3.5, 0.33 * columns + 0.5))
    axes = figure.subplots()
    _mosaic(axes, [images[labels == label][:columns] for label in classes], columns, list(map(str, classes)))
    axes.set(ylabel="Class", xlabel=f"{len(labels):,} images{more}")
    return figure


@styled()
def chosen_images(rates: Rates, images: Images, labels: Labels, title: str = "") -> Figure:
    """Return the images that each layer chose most and least often, with their class and the share.

    Of images with equal shares the first of the draw are shown. Networks of more than four layers are
    shown by the mean over their layers.
    """
    if len(rates) > _LAYERS:
        rates = {"all layers": np.mean(list(rates.values()), axis=0)}
    rows, names, captions = [], [], []
    for layer, shares in rates.items():
        known = np.flatnonzero(np.isfinite(shares))
        shown = max(1, min(_PER_ROW, len(known) // 2))
        for word, sign in (("most", -1), ("least", 1)):
            picks = known[np.argsort(sign * shares[known], kind="stable")[:shown]]
            rows.append(images[picks])
            names.append(f"{wrapped(layer, 16)}\n{word} often")
            captions.append([f"{labels[i]}: {100 * shares[i]:.0f} %" for i in picks])
    captions = _broken(captions, ": ", ":\n")
    figure = new_figure(0.3 + (0.58 + 0.1 * _lines(captions)) * len(rows), title)
    axes = figure.subplots()
    _mosaic(axes, rows, max(map(len, rows)), names, captions)
    axes.set_xlabel("Below each: its class, and how often the layer chose it when it was a candidate")
    return figure


@dataclass(frozen=True, eq=False)
class Refused:
    """A draw with wrong labels: how often each sample was used when it was a candidate, late in training.

    ``given`` are the classes by the labels, ``true`` those before they were made wrong, all (n,).
    """

    images: Images
    given: Labels
    true: Labels
    shares: Floats

    @property
    def left_out(self) -> npt.NDArray[np.bool_]:
        """Return which samples were used less than half of the times, (n,)."""
        return self.shares < 0.5

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Return which labels are wrong, (n,)."""
        return np.asarray(self.given != self.true)

    @property
    def sentence(self) -> str:
        """Return how many of the wrong labels were left out, and how many of the right ones."""
        found, right = int((self.left_out & self.wrong).sum()), int((self.left_out & ~self.wrong).sum())
        wrong, others = int(self.wrong.sum()), int((~self.wrong).sum())
        return f"{found} of {wrong} wrong labels were left out, and {right} of {others} right ones"


@styled()
def refused_images(refused: Refused, title: str = "") -> Figure:
    """Return images that were used least late in training, with their label and what they show."""
    mixed = np.random.default_rng(0).permutation(len(refused.shares))  # of equals not those of one class
    picks = mixed[np.argsort(refused.shares[mixed], kind="stable")[: 4 * _PER_ROW]]
    words = [
        f"“{refused.given[i]}” is {refused.true[i]}" if refused.wrong[i] else f"“{refused.given[i]}” is right"
        for i in picks
    ]
    captions = _broken([words], " is", "\nis")[0]
    starts = range(0, len(picks), _PER_ROW)
    figure = new_figure(0.5 + (0.55 + 0.1 * _lines([captions])) * len(starts), title)
    axes = figure.subplots()
    axes.set_title(f"Late in training {refused.sentence}.", loc="left")
    rows = [refused.images[picks[i : i + _PER_ROW]] for i in starts]
    _mosaic(axes, rows, _PER_ROW, captions=[captions[i : i + _PER_ROW] for i in starts])
    axes.set_xlabel("The images that were used least. Below each: “its label”, and what it is.")
    return figure


@styled()
def disagreements(
    images: Images,
    labels: Labels,
    first: tuple[str, Labels],
    second: tuple[str, Labels],
    title: str = "",
    noun: str = "test images",
) -> Figure:
    """Return test images that one of two networks gets right and the other one wrong, both ways.

    They are evenly spaced in the test set's order, which may be that of the classes. ``first`` and ``second``
    are a network's name and the classes that it predicted; ``noun`` says what the images are.
    """
    headings, shown = [], []
    for (right, ours), (wrong, theirs) in ((first, second), (second, first)):
        picks = np.flatnonzero((ours == labels) & (theirs != labels))
        heading = f"{right} is right, {wrong} is wrong: {len(picks):,} of {len(labels):,} {noun}"
        headings.append(wrapped(heading, 100))
        number = min(len(picks), 2 * _PER_ROW)
        shown.append(picks[np.arange(number) * len(picks) // max(1, number)])
    heights = [max(1, ceil(len(picks) / _PER_ROW)) for picks in shown]
    lines = sum(heading.count("\n") + 1 for heading in headings)
    words = [
        _broken([[f"{labels[i]} as {mistaken[i]}" for i in picks]], " as ", "\nas ")[0]
        for picks, mistaken in zip(shown, (second[1], first[1]), strict=True)
    ]
    tall = 0.62 + 0.1 * _lines(words)
    figure = new_figure(0.4 + 0.14 * lines + sum(tall * height + 0.15 for height in heights), title)
    panels = figure.subplots(2, 1, height_ratios=heights)
    for axes, heading, picks, said in zip(panels, headings, shown, words, strict=True):
        axes.set_title(heading, loc="left")
        starts = range(0, len(picks) or 1, _PER_ROW)
        rows = [picks[i : i + _PER_ROW] for i in starts]
        captions = [said[i : i + _PER_ROW] for i in starts]
        _mosaic(axes, [images[row] for row in rows], _PER_ROW, captions=captions)
        if not len(picks):
            axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center")
    example = "“a as b”: of class a, and the wrong one takes it for b"
    if labels.dtype.kind != "U":
        example = "“4 as 9”: a 4 that the wrong one takes for a 9"
    panels[1].set_xlabel(f"{example}. Evenly spaced among such images.")
    return figure


def _lines(captions: Sequence[Sequence[str]]) -> int:
    return 1 + max((text.count("\n") for row in captions for text in row), default=0)


def _broken(captions: list[list[str]], mark: str, broken: str) -> list[list[str]]:
    """Return the captions in two lines, if one of them is too long for the width of an image."""
    long = any(len(text) > _LONG for row in captions for text in row)
    return [[text.replace(mark, broken, 1) for text in row] for row in captions] if long else captions


def _mosaic(
    axes: Axes,
    rows: Sequence[Images],
    columns: int,
    names: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
) -> None:
    """Draw all tiles as one picture, grey ones dark on white, apart where there are captions below them."""
    height, width, *channels = rows[0].shape[1:]
    gap = max(1, round(_GAP * height)) if captions else 0
    words = max(1, round(letters(_WORDS) * height * _lines(captions))) if captions else 0
    size = letters(6 if _lines(captions) == 1 else 5)  # names are longer than numbers
    down, across = height + gap + words, width + gap
    white = 255 if channels else 0
    canvas = np.full((len(rows) * down - gap, columns * across - gap, *channels), white, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            canvas[i * down : i * down + height, j * across : j * across + width] = tile
            if captions:
                place = (j * across + width / 2 - 0.5, i * down + height)
                axes.text(*place, captions[i][j], ha="center", va="top", fontsize=size)
    axes.imshow(canvas, cmap="gray_r", vmin=0, vmax=255, interpolation="none")
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([i * down + height / 2 - 0.5 for i in range(len(names))], names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
