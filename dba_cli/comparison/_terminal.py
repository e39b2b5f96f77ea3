"""Tables on a terminal, or as plain text of a given width."""

import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dba_cli.comparison._columns import Column, columns, legend, notes, setting_line
from dba_cli.comparison._model import Comparison, Section

# Names and marks are folded to this width before any number is.
_FOLDED = 10
_GAP = 2
_PLAIN_WIDTH = 100


def print_tables(comparison: Comparison, console: Console | None = None) -> None:
    """Print every section, a sweep's points as one, a blank line between two.

    To standard output unless told otherwise.
    """
    console = Console(highlight=False) if console is None else console
    for number, section in enumerate(comparison.tables):
        if number:
            console.print()
        console.print(rich_table(section, console.width))


def plain_text(comparison: Comparison) -> str:
    """Return what ``print_tables`` prints, for a file: 100 columns, no colours."""
    out = io.StringIO()
    # Every choice is made here, so that no environment variable can change the text.
    console = Console(
        file=out, width=_PLAIN_WIDTH, force_terminal=False, color_system=None, legacy_windows=False
    )
    print_tables(comparison, console)
    # rich fills table cells with spaces.
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def rich_table(section: Section, width: int) -> RenderableType:
    """Return the section: title, notice if any, protocol and data, table, what its signs mean, notes.

    Where numbers do not fit on one line each, intervals go below their means; from 40 columns up no
    digit is ever cut.
    """
    # Text, never str: nothing in a record is read as console markup.
    parts: list[RenderableType] = [Text(section.experiment, style="bold")]
    if section.notice:
        parts.append(Text(section.notice, style="bold red"))
    parts += [Text(setting_line(section)), Text(), _numbers(section, width), Text()]
    if explanation := legend(section):
        parts.append(Text(explanation, style="dim"))
    parts += [Text(f"! {note}", style="yellow") for note in notes(section)]
    return Group(*parts)


def _numbers(section: Section, width: int) -> Table:
    shown = columns(section)
    cells = [[column.cell(row) for row in section.rows] for column in shown]
    lines = [_aligned(column, of) if column.numeric else of for column, of in zip(shown, cells, strict=True)]
    if _width(shown, lines) <= width:
        return _table(shown, lines, numbers_fit=True)
    stacked = [[cell.replace(" ± ", "\n±") for cell in of] for of in cells]
    return _table(shown, stacked, numbers_fit=False)


def _table(shown: Sequence[Column], cells: Sequence[Sequence[str]], *, numbers_fit: bool) -> Table:
    """Return the table; where ``numbers_fit``, only the words are folded to make room."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, _GAP - 1, 0, 0), pad_edge=False)
    for column in shown:
        table.add_column(
            Text(column.short, style="bold", justify="right" if column.numeric else "left"),
            # Aligned cells bring their own spaces, of which "right" would drop those at the end.
            justify="right" if column.numeric and not numbers_fit else "left",
            overflow="fold",
            no_wrap=numbers_fit and column.numeric,
        )
    for row in zip(*cells, strict=True):
        table.add_row(*map(Text, row))
    return table


def _aligned(column: Column, cells: Sequence[str]) -> list[str]:
    """Return a numeric column's cells flush right as a whole, decimal points below each other."""
    parts = [cell.partition(" ± ") for cell in cells]
    half_width = max(len(half) for _, _, half in parts)
    marked = any(cell.endswith("*") for cell in cells)
    aligned = []
    for mean, sign, half in parts:
        tail = f"{sign}{half:>{half_width}}" if sign else " " * (half_width and half_width + len(" ± "))
        aligned.append(mean + tail + " " * (marked and not mean.endswith("*")))
    width = max(map(len, [*column.short.split("\n"), *aligned]))
    return [cell.rjust(width) for cell in aligned]


def _width(shown: Sequence[Column], cells: Sequence[Sequence[str]]) -> int:
    """Return the least width at which no number needs to be folded."""
    total = _GAP * (len(shown) - 1)
    for column, of in zip(shown, cells, strict=True):
        natural = max(cell_len(line) for line in [*column.short.split("\n"), *of])
        total += natural if column.numeric else min(natural, _FOLDED)
    return total
