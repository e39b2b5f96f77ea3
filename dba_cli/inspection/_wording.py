"""How values, sizes and times are said, and tables drawn."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

# Fractions of 1 in records; people read per cent.
_SHARES = {"test_accuracy", "train_accuracy", "fraction"}
_SECONDS = {"training", "evaluation", "total", "seconds"}


def fact(key: str, value: object) -> tuple[str, str]:
    """Return a record's key and value as words."""
    return key.replace("_", " "), _text(key, value)


def seconds_text(seconds: float) -> str:
    """Return a time to two figures or so: ``0.35 s``, ``4.0 s``, ``48 s``, ``2 min 40 s``, ``3 h 05 min``."""
    if seconds < 0.01:
        return "under 0.01 s"
    if seconds < 9.95:
        return f"{seconds:#.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def file_size(path: Path) -> str:
    """Return the size of a file."""
    size = path.stat().st_size
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024  # type: ignore[assignment]
    return f"{size:.1f} GiB"


def _text(key: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{inner} {_text(inner, of)}" for inner, of in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(_text("", each) for each in value) or "-"
    if isinstance(value, int | float) and key in _SHARES:
        return f"{100 * value:.10g} %"
    if isinstance(value, int | float) and key in _SECONDS:
        return seconds_text(value)
    if isinstance(value, int):
        return f"{value:,}" if key not in {"seed", "format"} else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


heading = partial(Text, style="bold cyan")
"""The line above a table."""


def fact_table(facts: Iterable[tuple[str, str]]) -> Table:
    """Return a name and a text in each line."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for key, value in facts:
        # Text, never str: nothing in a record is read as console markup.
        grid.add_row(Text(f"  {key}"), Text(value))
    return grid


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table with titles; cells that are too long are folded."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True, padding=(0, 1))
    for title in titles:
        made.add_column(Text(title, style="bold"), overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    return made
