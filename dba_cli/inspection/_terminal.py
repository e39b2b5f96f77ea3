"""The views as tables on a terminal."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dba_cli.comparison import ranges
from dba_cli.inspection._config import ConfigView
from dba_cli.inspection._estimate import RunTime
from dba_cli.inspection._record import RunView
from dba_cli.inspection._wording import seconds_text
from dba_cli.sparkline import sparkline

_CURVE = 40
_ROWS = 8


def run_table(view: RunView, *, ascii_only: bool = False) -> RenderableType:
    """Return everything that a run's record says."""
    parts: list[RenderableType] = [Text(view.title, style="bold")]
    if view.notice:
        parts.append(Text(view.notice, style="bold red"))
    for name, facts in view.groups.items():
        if facts:
            parts += [Text(), _heading(name.replace("_", " ")), _facts(facts)]
    parts += [Text(), _heading(f"history ({len(view.history)} evaluations)"), _history(view)]
    parts.append(_curves(view, ascii_only=ascii_only))
    parts += [Text(), _heading("files"), _facts(view.files)]
    return Group(*parts)


def config_table(view: ConfigView, name: str) -> RenderableType:
    """Return the resolved config, the network and the plan of runs."""
    done = sum(run.done for run in view.runs)
    disowned = sum(run.disowned for run in view.runs)
    titles = ["optimizer", "seeds to do", "seeds done"] + ["seeds of another config"] * bool(disowned)
    parts: list[RenderableType] = [
        Text(name, style="bold"),
        Text(),
        _heading("resolved config"),
        Padding(Text(view.yaml.rstrip()), (0, 0, 0, 2)),
        Text(),
        _heading(f"model: {view.parameters:,} parameters"),
        _table(
            ["layer", "kind", "shapes", "parameters"],
            [(layer.name, layer.kind, layer.shapes, f"{layer.parameters:,}") for layer in view.layers],
        ),
        Text(),
        _heading(f"runs: {len(view.runs) - done - disowned} to do, {done} done"),
        _table(titles, _plan_rows(view)),
    ]
    if disowned:
        note = f"! {disowned} finished runs are of another config: 'dba run' refuses them without --overwrite"
        parts.append(Text(note, style="yellow"))
    return Group(*parts)


def time_table(times: Sequence[RunTime]) -> RenderableType:
    """Return how long each optimizer's runs take, what that is known from, and what is left in all."""
    rows = [
        (time.optimizer, seconds_text(time.seconds), time.known_from, str(time.runs_to_do)) for time in times
    ]
    left = sum(time.seconds * time.runs_to_do for time in times)
    total = f"Left to do, one run after the other: {seconds_text(left)}" if left else "Nothing left to do"
    return Group(
        _heading("estimated time"),
        _table(["optimizer", "one run", "known from", "runs to do"], rows),
        Text(f"  {total}."),
    )


def _heading(text: str) -> Text:
    return Text(text, style="bold cyan")


def _facts(facts: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for key, value in facts:
        # Text, never str: nothing in a record is read as console markup.
        grid.add_row(Text(f"  {key}"), Text(value))
    return grid


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True, padding=(0, 1))
    for title in titles:
        table.add_column(Text(title, style="bold"), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _plan_rows(view: ConfigView) -> list[list[str]]:
    rows = []
    for entry in view.config.optimizers:
        runs = [run for run in view.runs if run.optimizer == entry.name]
        states = [[run.seed for run in runs if run.record is None]]
        states.append([run.seed for run in runs if run.done])
        if any(run.disowned for run in view.runs):
            states.append([run.seed for run in runs if run.disowned])
        rows.append([entry.name, *(ranges(seeds) or "-" for seeds in states)])
    return rows


def _history(view: RunView) -> Table:
    """Return at most so many evaluations, evenly spaced, the first and the last among them."""
    last = len(view.history) - 1
    shown = sorted({round(i * last / (_ROWS - 1)) for i in range(_ROWS)})
    rows = []
    for point in (view.history[i] for i in shown):
        loss = "-" if point.train_loss is None else f"{point.train_loss:.4g}"
        rows.append(
            (
                f"{point.step:,}",
                f"{point.epoch:.4g}",
                loss,
                f"{point.test_loss:.4g}",
                f"{point.test_accuracy:.2%}",
                seconds_text(point.seconds),
            )
        )
    return _table(["step", "epoch", "train loss", "test loss", "test accuracy", "training time"], rows)


def _curves(view: RunView, *, ascii_only: bool) -> Table:
    """Return the accuracy, and the fraction that each layer kept, over training."""
    curves = {"test accuracy": [point.test_accuracy for point in view.history]}
    for layer in dict.fromkeys(layer for point in view.history for layer in point.fractions):
        curves[f"kept by {layer}"] = [
            point.fractions[layer] for point in view.history if layer in point.fractions
        ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, values in curves.items():
        line = sparkline(values, _CURVE, ascii_only=ascii_only)
        grid.add_row(Text(f"  {name}", style="dim"), Text(line), Text(f"{values[-1]:.1%} at the end"))
    return grid
