"""How much of its batch each layer kept over training."""

from collections.abc import Sequence
from math import ceil

from matplotlib.figure import Figure

from dba_cli.plots._curves import draw_band
from dba_cli.plots._series import X_LABELS, Line, band
from dba_cli.plots._style import WIDTH, few_ticks, legend_below, look, new_figure, styled, wrapped


def selecting(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with a finished run that recorded what its layers kept."""
    return [line for line in lines if layers(line)]


def layers(line: Line) -> list[str]:
    """Return the names of the layers that a line's finished runs recorded, in the order of the network."""
    points = (point for run in line.finished for point in run.history)
    return list(dict.fromkeys(name for point in points for name in point.fractions))


def fractions_kept(lines: Sequence[Line], title: str = "") -> Figure:
    """Return the share of the batch that each layer kept, a panel for each line that selects.

    A point is the mean over the steps since the evaluation before, then over the finished seeds, with
    the 95 % Student t interval.

    Raises:
        ValueError: No line selects.
    """
    shown = selecting(lines)
    if not shown:
        raise ValueError("no line with fractions")
    names = list(dict.fromkeys(name for line in shown for name in layers(line)))
    columns = min(len(shown), 3)
    rows = ceil(len(shown) / columns)
    with styled():
        figure = new_figure(0.5 + 1.8 * rows, title, width=WIDTH if columns > 1 else 4.4)
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        handles = {}
        for axes, line in zip(panels, shown, strict=False):
            for i, name in enumerate(names):
                share = band(line.finished, "steps", lambda point, name=name: point.fractions.get(name))  # type: ignore[misc]
                if len(share):
                    handles[name] = draw_band(axes, share, look(i), i)
            axes.set_title(wrapped(line.legend, 30 if columns > 1 else 60))
            axes.set_xlim(left=0)
            few_ticks(axes)
        for axes in panels[len(shown) :]:
            axes.remove()
        top = max(axes.dataLim.y1 for axes in panels[: len(shown)])
        panels[0].set_ylim(0, min(102.0, 1.3 * top))
        for axes in panels[::columns]:
            axes.set_ylabel("Kept, % of the batch")
        for place in range(max(0, len(shown) - columns), len(shown)):
            panels[place].set_xlabel(X_LABELS["steps"])
        legend_below(figure, list(handles.values()), list(handles))
    return figure
