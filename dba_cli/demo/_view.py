"""The demo's screen: a curve for each optimizer, and what DBA kept of each batch."""

from collections.abc import Callable, Iterable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from dba_cli.comparison import called
from dba_cli.experiments import PlannedRun, Reporter
from dba_cli.records import Evaluation, RunRecord
from dba_cli.sparkline import sparkline
from dba_cli.training import Observer

_COLORS = {"sgd": "blue", "adam": "yellow", "dba": "green"}
# Names, figures and the gaps between them; what is left of a line is the curve's.
_BESIDE_CURVE = 40
_WIDEST_CURVE = 60


class Curve(Observer):
    """One optimizer: the evaluations of the seed in training, and the number of seeds that ended."""

    def __init__(self, refresh: Callable[[], object]) -> None:
        self._refresh = refresh
        self.rows: list[Evaluation] = []
        self.steps = self.ended = 0

    def evaluated(self, evaluation: Evaluation) -> None:
        self.rows.append(evaluation)
        self._refresh()

    @property
    def accuracies(self) -> list[float]:
        """Return the test accuracy at each evaluation."""
        return [row.test_accuracy for row in self.rows]

    @property
    def kept(self) -> dict[str, list[float]]:
        """Return the share of the batch that each layer kept, by layer; empty without selection."""
        selecting = [row.fractions for row in self.rows if row.fractions]
        return {name: [row[name] for row in selecting] for name in (selecting[0] if selecting else ())}


class Progress(Reporter):
    """All optimizers as they train, on a screen as wide as the console, up to 100 columns.

    ``refresh`` is called whenever there is something new to show.
    """

    def __init__(self, title: str, optimizers: Iterable[str], seeds: int) -> None:
        self.refresh: Callable[[], object] = lambda: None
        self.curves = {name: Curve(lambda: self.refresh()) for name in optimizers}
        self.seeds = seeds
        self._title, self._notice = title, ""

    def notice(self, line: str) -> None:
        self._notice = line

    def started(self, run: PlannedRun) -> Observer:
        curve = self.curves[run.optimizer]
        curve.rows, curve.steps = [], run.timeline.steps
        return curve

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        self.curves[run.optimizer].ended += 1
        self.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(8, min(_WIDEST_CURVE, options.max_width - _BESIDE_CURVE))
        plain = options.ascii_only
        yield Text(self._title, style="bold")
        if self._notice:
            yield Text(self._notice, style="bold red")
        yield from (Text(), _curves(self, width, plain), Text())
        for name, curve in self.curves.items():
            if curve.kept:
                yield _kept(name, curve, width, plain)


def _curves(progress: Progress, width: int, plain: bool) -> Table:
    grid = _grid(width)
    bottom = min((a for curve in progress.curves.values() for a in curve.accuracies), default=0.0)
    grid.add_row(Text("test accuracy", style="dim"), Text(), Text("now", style="dim"))
    for name, curve in progress.curves.items():
        # A seed's curve takes the whole width in the end: where it stands is how far training is.
        rows = curve.rows
        done = rows[-1].step / curve.steps if rows else 0.0
        line = sparkline(curve.accuracies, max(1, round(done * width)), low=bottom, ascii_only=plain)
        now = f"{rows[-1].test_accuracy:.1%}" if rows else ""
        style = _COLORS.get(name, "")
        grid.add_row(
            Text(called(name), style=f"bold {style}"),
            Text(line, style=style),
            Text(now),
            _state(curve, progress.seeds),
        )
    return grid


def _state(curve: Curve, seeds: int) -> Text:
    if not curve.steps:
        return Text("waits", style="dim")
    return Text("done" if curve.ended == seeds else f"seed {curve.ended + 1} of {seeds}", style="dim")


def _kept(name: str, curve: Curve, width: int, plain: bool) -> Table:
    grid = _grid(width)
    grid.add_row(
        Text("kept of a batch", style="dim"), Text(f"by {called(name)}, layer by layer", style="dim")
    )
    for layer, shares in curve.kept.items():
        line = sparkline(shares, width, ascii_only=plain)
        grid.add_row(Text(layer), Text(line, style="magenta"), Text(f"{shares[-1]:.0%}"))
    return grid


def _grid(width: int) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=16, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(width=6, justify="right", no_wrap=True)
    grid.add_column(width=12, no_wrap=True)
    return grid
