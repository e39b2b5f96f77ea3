"""What the formats for people say: the same columns, cells and sentences in each of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from dba_cli.comparison._model import Row, Section, Setting
from dba_cli.comparison._ranking import differing
from dba_cli.comparison._statistics import Estimate, mean_with_interval

_SHOWN = 10  # entries of a list that a table has whole


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
    shown = [
        column for column in _COLUMNS if not column.numeric or any(column.cell(row) for row in section.rows)
    ]
    if not section.ranked:
        return shown
    swept = [_setting(key) for key in differing(section.rows)]
    if len({row.plan.name for row in section.rows if not row.settings}) > 1:  # records of dba-cli 0.1
        swept.append(Column("Point", "Point", lambda row: row.plan.name, numeric=False))
    return [shown[0], *swept, *shown[1:]]


def _setting(key: str) -> Column:
    """Return the column of a config's key; a row whose optimizer has no such key leaves it blank."""
    return Column(
        key, "\n".join(key.split(".")), lambda row: value_text(row.settings.get(key)), numeric=False
    )


def value_text(value: object) -> str:
    """Return a config's value as a cell; blank for none."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list | tuple) and len(value) > _SHOWN:
        return f"[{value[0]}, {value[1]}, ... {len(value)} in all]"
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def table_cells(
    section: Section, text: Callable[[str], str] = str, number: Callable[[str], str] = str
) -> tuple[list[str], list[bool], list[list[str]], list[str]]:
    """Return titles, which columns are numeric, the rows, and the lines that belong below the table.

    ``text`` and ``number`` bring words and numbers into a markup.
    """
    shown = columns(section)
    numeric = [column.numeric for column in shown]
    rows = [[(number if each.numeric else text)(each.cell(row)) for each in shown] for row in section.rows]
    below = [text(line) for line in (legend(section), *notes(section)) if line]
    return [text(column.title) for column in shown], numeric, rows, below


def setting_line(section: Section) -> str:
    """Return the protocol, the data and the number of seeds, which every table must name.

    After them, of a point of a sweep, what it sets.
    """
    setting = section.setting
    if section.ranked:
        return _ranking_line(section)
    if setting is None:
        return "No run with the plan's config is recorded yet."
    sets = [f"{key}={'null' if value is None else value_text(value)}" for key, value in section.sets.items()]
    return (f"{_protocol(setting)} {section.done[0].upper()}{section.done[1:]}.") + (
        f" Sets {', '.join(sets)}." if sets else ""
    )


def _protocol(setting: Setting) -> str:
    return (
        f"Protocol: {setting.protocol}, {_draw(setting)} ({setting.n_train:,} images). "
        f"Data: {_data(setting)}, {setting.n_test:,} test images."
    )


def _ranking_line(section: Section) -> str:
    """Return what the points have in common, and the best of them."""
    common = (
        "The points differ in protocol or data." if section.setting is None else _protocol(section.setting)
    )
    if not section.rows or section.rows[0].accuracy is None:
        return f"{common} No run has ended with figures."
    best = section.rows[0]
    sets = [
        f"{key}={value_text(best.settings.get(key))}"
        for key in differing(section.rows)
        if key in best.settings
    ]
    said = f" with {', '.join(sets)}" if sets else ""
    return f"{common} {section.done}. Best: {best.optimizer}{said}: {_estimate(best.accuracy, 2)} %."


def _data(setting: Setting) -> str:
    """Return ``official MNIST`` or ``embedded MNIST sample``; of a user's own data the title alone."""
    # In records of dba-cli 0.1 the data of a user's module is called official.
    if setting.source == "own" or (":" in setting.dataset and not setting.dataset.startswith("torchvision:")):
        return setting.title
    stands_in = setting.source == "embedded" and setting.dataset != "digits"
    return f"{setting.source} {setting.title}" + (" sample" if stands_in else "")


def _draw(setting: Setting) -> str:
    """Return ``1 %`` or ``10 per class by facility location``; other draws by their keys."""
    draw = dict(setting.draw)
    by = str(draw.pop("by", "")).replace("_", " ")
    words = {
        "fraction": lambda value: f"{100 * value:.10g} %",
        "per_class": lambda value: f"{value} per class",
        "indices": lambda value: f"listed images {value[:8]}",
    }
    sizes = ", ".join(words[key](value) if key in words else f"{key} {value}" for key, value in draw.items())
    return f"{sizes} by {by}" if by else sizes


def legend(section: Section) -> str:
    """Return what the signs and columns of a section mean; only those which it has."""
    rows = section.rows
    reductions = [row.vs_sgd or row.vs_adam for row in rows if row.vs_sgd or row.vs_adam]
    estimates = [*reductions, *(row.accuracy for row in rows)]
    stated = [row.paper for row in rows if row.paper and row.selects]
    sentences = []
    if any(estimate and estimate.half_width is not None for estimate in estimates):
        sentences.append("±: half-width of the 95 % Student t interval over seeds.")
    if reductions:
        sentences.append(
            "vs SGD, vs Adam: share of that optimizer's errors removed, mean over seeds in pairs; "
            "below zero, errors were added."
        )
    if stated:
        sentences.append(
            f"The paper: {stated[0].test_accuracy:.2f} % with DBA, "
            f"{stated[0].error_reduction:.2f} % of the errors of SGD and Adam removed."
        )
    if any(row.paper_accuracy is not None and not row.selects for row in rows):
        sentences.append("*: not printed in the paper, implied by its figures for DBA.")
    return " ".join(sentences)


def notes(section: Section) -> list[str]:
    """Return the notes of a section, each once, those of rows led by the names of their optimizers."""
    rows: dict[str, dict[str, None]] = {}
    for row in section.rows:
        for note in row.notes:
            rows.setdefault(note, {})[row.optimizer] = None
    return [*(f"{', '.join(names)}: {note}" for note, names in rows.items()), *section.notes]


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
    return "" if estimate is None else f"{100 * estimate:z.{digits}f}"


def _of_layers(row: Row, figure: str) -> str:
    """Return the mean over seeds of a figure that each layer has one of, of the mean over layers."""
    found = [list(getattr(final, figure).values()) for final in row.finals.values()]
    return "" if not found or not all(found) else _estimate(mean_with_interval([*map(fmean, found)]), 1)


def _error(row: Row) -> str:
    # From the accuracy as printed: rounded apart, the two can miss 100 by a digit.
    return "" if row.accuracy is None else f"{100 - float(_percent(row.accuracy.mean)):.2f}"


def _paper(row: Row) -> str:
    paper = row.paper_accuracy
    return "" if paper is None else _percent(paper) + "*" * (not row.selects)


def _difference(row: Row) -> str:
    difference = row.paper_difference
    if difference is None:
        return ""
    text = f"{100 * difference:+z.2f}"
    return "0.00" if text == "+0.00" else text


_COLUMNS = (
    Column("Optimizer", "Optimizer", _optimizer, numeric=False),
    Column("Seeds", "Seeds", _seeds, numeric=False),
    Column("Test accuracy (%)", "Accuracy\n%", lambda row: _estimate(row.accuracy, 2)),
    Column("Error (%)", "Error\n%", _error),
    Column("Left out that is wrong (%)", "Left out\nwrong %", lambda row: _of_layers(row, "drop_precision")),
    Column("Wrong left out (%)", "Wrong\nout %", lambda row: _of_layers(row, "drop_recall")),
    Column("vs SGD (%)", "vs SGD\n%", lambda row: _estimate(row.vs_sgd, 1)),
    Column("vs Adam (%)", "vs Adam\n%", lambda row: _estimate(row.vs_adam, 1)),
    Column("Paper (%)", "Paper\n%", _paper),
    Column("Difference (points)", "Diff\npts", _difference),
)
