"""The demo's screen: a curve for each optimizer, and what DBA kept of each batch."""

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from dba_cli.demo._progress import Curve, Progress
from dba_cli.sparkline import sparkline

_COLORS = {"sgd": "blue", "adam": "yellow", "dba": "green"}
# Names, figures and the gaps between them; what is left of a line is the curve's.
_BESIDE_CURVE = 40
_WIDEST_CURVE = 60


def view(progress: Progress, title: str) -> RenderableType:
    """Return the screen for the present state; it is as wide as the console, up to 100 columns."""
    return _View(progress, title)


class _View:
    def __init__(self, progress: Progress, title: str) -> None:
        self._progress, self._title = progress, title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(8, min(_WIDEST_CURVE, options.max_width - _BESIDE_CURVE))
        plain = options.ascii_only
        progress = self._progress
        parts: list[RenderableType] = [Text(self._title, style="bold")]
        if progress.notice:
            parts.append(Text(progress.notice, style="bold red"))
        parts += [Text(), _curves(progress, width, plain), Text()]
        parts += [_kept(curve, width, plain) for curve in progress.curves if curve.kept]
        yield Group(*parts)


def _curves(progress: Progress, width: int, plain: bool) -> Table:
    grid = _grid(width)
    bottom = min((a for curve in progress.curves for a in curve.accuracies), default=0.0)
    grid.add_row(Text("test accuracy", style="dim"), Text(), Text("now", style="dim"), Text())
    for curve in progress.curves:
        # A seed's curve takes the whole width in the end: where it stands is how far training is.
        rows = curve.rows
        done = rows[-1].step / progress.steps if rows else 0.0
        line = sparkline(curve.accuracies, max(1, round(done * width)), low=bottom, ascii_only=plain)
        now = f"{rows[-1].test_accuracy:.1%}" if rows else ""
        style = _COLORS.get(curve.name, "")
        grid.add_row(
            Text(curve.name, style=f"bold {style}"),
            Text(line, style=style),
            Text(now),
            _finals(curve, progress),
        )
    return grid


def _finals(curve: Curve, progress: Progress) -> Text:
    if curve.seed is None:
        return Text("waits", style="dim")
    ended = len(curve.finals) + curve.diverged
    if ended < len(progress.seeds):
        return Text(f"seed {ended + 1} of {len(progress.seeds)}", style="dim")
    return Text("done", style="dim")


def _kept(curve: Curve, width: int, plain: bool) -> Table:
    grid = _grid(width)
    grid.add_row(
        Text("kept of a batch", style="dim"),
        Text(f"by {curve.name}, layer by layer", style="dim"),
        Text(),
        Text(),
    )
    for layer, shares in curve.kept.items():
        line = sparkline(shares, width, ascii_only=plain)
        grid.add_row(Text(layer), Text(line, style="magenta"), Text(f"{shares[-1]:.0%}"), Text())
    return grid


def _grid(width: int) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=16, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(width=6, justify="right", no_wrap=True)
    grid.add_column(width=12, no_wrap=True)
    return grid
