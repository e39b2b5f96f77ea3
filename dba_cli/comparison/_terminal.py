"""A section on a terminal, or in a plain text file of any width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dba_cli.comparison._human import Column, columns, legend, notes, setting_line
from dba_cli.comparison._model import Section

# Names and marks are folded to this width before any number is.
_FOLDED = 10
_GAP = 2


def rich_table(section: Section) -> RenderableType:
    """Return the section: title, notice if any, protocol and data, table, what its signs mean, notes.

    Where numbers do not fit on one line each, intervals go below their means; from 40 columns up no
    digit is ever cut.
    """
    # Text, never str: nothing in a record is read as console markup.
    parts: list[RenderableType] = [Text(section.experiment, style="bold")]
    if section.notice:
        parts.append(Text(section.notice, style="bold red"))
    parts += [Text(setting_line(section)), Text(), _Numbers(section), Text()]
    if explanation := legend(section):
        parts.append(Text(explanation, style="dim"))
    parts += [Text(f"! {note}", style="yellow") for note in notes(section)]
    return Group(*parts)


@dataclass(frozen=True)
class _Numbers:
    """The table itself, which suits its form to the width it is given."""

    section: Section

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        shown = columns(self.section)
        cells = [[column.cell(row) for row in self.section.rows] for column in shown]
        lines = [_aligned(of) if column.numeric else of for column, of in zip(shown, cells, strict=True)]
        if _width(shown, lines) <= options.max_width:
            yield _table(shown, lines, cut_safe=True)
        else:
            stacked = [[cell.replace(" ± ", "\n±") for cell in of] for of in cells]
            yield _table(shown, stacked, cut_safe=False)


def _table(shown: Sequence[Column], cells: Sequence[Sequence[str]], *, cut_safe: bool) -> Table:
    """Return the table; ``cut_safe`` where numbers are known to fit and only words need folding."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, _GAP - 1, 0, 0), pad_edge=False)
    for column in shown:
        title = Text(column.short, style="bold")
        table.add_column(
            title,
            justify="right" if column.numeric else "left",
            overflow="fold",
            no_wrap=cut_safe and column.numeric,
        )
    for row in zip(*cells, strict=True):
        table.add_row(*map(Text, row))
    return table


def _aligned(cells: Sequence[str]) -> list[str]:
    """Return the cells with their decimal points in one column when they are set flush right."""
    parts = [cell.partition(" ± ") for cell in cells]
    width = max(len(half) for _, _, half in parts)
    marked = any(cell.endswith("*") for cell in cells)
    aligned = []
    for mean, sign, half in parts:
        tail = f"{sign}{half:>{width}}" if sign else " " * (width and width + 3)
        # A no-break space keeps the place of the mark: spaces at the end of a line are dropped.
        aligned.append(mean + tail + ("\N{NO-BREAK SPACE}" if marked and not mean.endswith("*") else ""))
    return aligned


def _width(shown: Sequence[Column], cells: Sequence[Sequence[str]]) -> int:
    """Return the least width at which no number needs to be folded."""
    total = _GAP * (len(shown) - 1)
    for column, of in zip(shown, cells, strict=True):
        natural = max(cell_len(line) for line in [*column.short.split("\n"), *of])
        total += natural if column.numeric else min(natural, _FOLDED)
    return total
