"""What the formats for people say: the same columns, cells and sentences in each of them."""

from collections.abc import Callable
from dataclasses import dataclass

from dba_cli.comparison._model import Row, Section
from dba_cli.comparison._statistics import Estimate
from dba_cli.comparison._wording import data_text, draw_text


@dataclass(frozen=True)
class Column:
    """A column: its title on a page, its title on a terminal (lines), and a row's cell.

    Cells of numeric columns are made of digits, signs, ``±`` and ``*``, or blank.
    """

    title: str
    short: str
    cell: Callable[[Row], str]
    numeric: bool = True


def columns(section: Section) -> list[Column]:
    """Return the columns of a section; those that are blank in every row are left out."""
    return [
        column for column in _COLUMNS if not column.numeric or any(column.cell(row) for row in section.rows)
    ]


def table_cells(section: Section) -> tuple[list[str], list[bool], list[list[str]], list[str]]:
    """Return titles, which columns are numeric, the rows, and the lines that belong below the table."""
    shown = columns(section)
    rows = [[column.cell(row) for column in shown] for row in section.rows]
    below = [text for text in (legend(section), *notes(section)) if text]
    return [column.title for column in shown], [column.numeric for column in shown], rows, below


def setting_line(section: Section) -> str:
    """Return the protocol, the data and the number of seeds, which every table must name."""
    setting = section.setting
    if setting is None:
        return "No run with the plan's config is recorded yet."
    return (
        f"Protocol: {setting.protocol}, {draw_text(setting.draw)} ({setting.n_train:,} images). "
        f"Data: {data_text(setting.dataset, setting.source)}, {setting.n_test:,} test images. "
        f"{len(section.seeds)} {'seed' if len(section.seeds) == 1 else 'seeds'}."
    )


def legend(section: Section) -> str:
    """Return what the signs and columns of a section mean; only those which it has."""
    rows = section.rows
    reductions = [row.vs_sgd or row.vs_adam for row in rows if row.vs_sgd or row.vs_adam]
    estimates = [*reductions, *(row.accuracy for row in rows)]
    papers = [row.paper for row in rows if row.paper]
    stated = [paper for paper in papers if paper.error_reduction is not None]
    sentences = []
    if any(estimate and estimate.half_width is not None for estimate in estimates):
        sentences.append("±: half-width of the 95 % Student t interval over seeds.")
    if reductions:
        sentences.append(
            "vs SGD, vs Adam: share of that optimizer's errors removed, mean over seeds in pairs; "
            "below zero, errors were added."
        )
    if stated and stated[0].error_reduction is not None:
        sentences.append(
            f"The paper: {_percent(stated[0].test_accuracy)} % with DBA, "
            f"{_percent(stated[0].error_reduction)} % of the errors of SGD and Adam removed."
        )
    if any(paper.implied for paper in papers):
        sentences.append("*: not printed in the paper, implied by its figures for DBA.")
    return " ".join(sentences)


def notes(section: Section) -> list[str]:
    """Return the notes of a section, each of a row led by the optimizer's name."""
    of_rows = [f"{row.optimizer}: {note}" for row in section.rows for note in row.notes]
    return [*of_rows, *section.notes]


def _optimizer(row: Row) -> str:
    return row.optimizer if row.kind in (None, row.optimizer) else f"{row.optimizer} ({row.kind})"


def _seeds(row: Row) -> str:
    parts = [str(len(row.finished)) if row.planned is None else f"{len(row.finished)} of {row.planned}"]
    if row.diverged:
        parts.append(f"{len(row.diverged)} diverged")
    if not row.current:
        parts.append("other config")
    return ", ".join(parts)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _estimate(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return ""
    mean = _signless_zero(f"{100 * estimate.mean:.{digits}f}")
    return mean if estimate.half_width is None else f"{mean} ± {100 * estimate.half_width:.{digits}f}"


def _signless_zero(number: str) -> str:
    """Return the number without the sign that rounding may leave before zero."""
    return number[1:] if float(number) == 0 and number[0] in "+-" else number


def _error(row: Row) -> str:
    # From the accuracy as printed: rounded apart, the two can miss 100 by a digit.
    return "" if row.accuracy is None else f"{100 - float(_percent(row.accuracy.mean)):.2f}"


def _paper(row: Row) -> str:
    return "" if row.paper is None else _percent(row.paper.test_accuracy) + "*" * row.paper.implied


def _difference(row: Row) -> str:
    difference = row.paper_difference
    return "" if difference is None else _signless_zero(f"{100 * difference:+.2f}")


_COLUMNS = (
    Column("Optimizer", "Optimizer", _optimizer, numeric=False),
    Column("Seeds", "Seeds", _seeds, numeric=False),
    Column("Test accuracy (%)", "Accuracy\n%", lambda row: _estimate(row.accuracy, 2)),
    Column("Error (%)", "Error\n%", _error),
    Column("vs SGD (%)", "vs SGD\n%", lambda row: _estimate(row.vs_sgd, 1)),
    Column("vs Adam (%)", "vs Adam\n%", lambda row: _estimate(row.vs_adam, 1)),
    Column("Paper (%)", "Paper\n%", _paper),
    Column("Difference (points)", "Diff\npts", _difference),
)
