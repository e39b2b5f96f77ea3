"""Confusion matrices: which class is taken for which."""

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from dba_cli.plots._choices import Labels
from dba_cli.plots._style import WIDTH, grid, letters, new_figure, styled, wrapped

Counts = npt.NDArray[np.int64]

# A share below half a per cent is left blank, so that what matters stands out.
_LEAST = 0.005
# Classes of which each cell says its share, and each line its class.
_MOST_WORDS = 20


def confusion(labels: Labels, predicted: Labels, classes: int) -> Counts:
    """Return how many images of each true class (rows) were predicted as each class (columns)."""
    cells = labels.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64)


@styled()
def confusion_matrices(
    matrices: Sequence[tuple[str, Counts]], title: str = "", names: Labels | None = None
) -> Figure:
    """Return named matrices of counts as shares of each true class, in per cent.

    Rows are true classes, columns predicted ones, called by ``names`` where those are texts. The colour goes
    with the square root of the share: errors, which are few, would all look alike beside the diagonal.
    """
    columns = min(3, len(matrices))
    rows = ceil(len(matrices) / columns)
    side = (WIDTH - 0.9) / 3 if columns == 3 else 2.75
    titles = [wrapped(name, 30) for name, _ in matrices]
    named = names is not None and names.dtype.kind == "U"
    words = 0.14 * max(title.count("\n") for title in titles) + 0.6 * named
    height = 0.6 + rows * (side + 0.25 + words)
    figure = new_figure(height, title, width=min(WIDTH, columns * side + 1.0))
    panels = grid(figure, len(matrices), columns)
    for place, (axes, (_, counts)) in enumerate(zip(panels, matrices, strict=True)):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="none")
        for (i, j), share in np.ndenumerate(shares):
            if share >= _LEAST and len(counts) <= _MOST_WORDS:
                text = "100" if share >= 0.9995 else f"{100 * share:.1f}"
                colour, size = "white" if share > 0.4 else "black", letters(5 if columns == 3 else 6)
                axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=size)
        ticks = np.arange(0, len(counts), ceil(len(counts) / _MOST_WORDS))
        axes.set(title=titles[place], xticks=ticks, yticks=ticks)
        if names is not None and named:
            axes.set_xticklabels(names[ticks], rotation=90)
            axes.set_yticklabels(names[ticks])
        axes.grid(visible=False)
        axes.tick_params(length=0, labelleft=place % columns == 0)
    for axes in panels[::columns]:
        axes.set_ylabel("True class")
    for axes in panels[-columns:]:
        axes.set_xlabel("Predicted class")
    bar = figure.colorbar(image, ax=panels, aspect=20 * rows, pad=0.02)
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1", "5", "20", "50", "100"])
    bar.set_label("% of the true class; blank: below 0.5 %")
    return figure
