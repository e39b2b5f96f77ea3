"""A comparison in the formats that a file can have, and as a data frame.

In CSV and JSON shares are fractions of 1, to twelve decimals: any further digit says nothing of the runs
and differs between machines, by the library that computes the t quantile; without them the same records
give the same bytes everywhere.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from tabulate import tabulate

from dba_cli.comparison._columns import columns, counted, legend, notes, setting_line, table_cells
from dba_cli.comparison._model import Comparison, Row, Section, Setting
from dba_cli.comparison._names import called
from dba_cli.comparison._ranking import differing
from dba_cli.comparison._statistics import Estimate
from dba_cli.comparison._terminal import plain_text
from dba_cli.errors import UserError, did_you_mean
from dba_cli.records import BY_LAYER, Evaluation
from dba_cli.records import csv_text as table_text

if TYPE_CHECKING:  # pandas is imported where it is used: a table on the terminal does without
    import pandas as pd

_DECIMALS = 12

# Not pandas' own escaping: it is for cells alone, where captions and notes need it too, and it leaves
# < > | and ± to the font encoding, of which the default one prints other signs.
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedblright{}",
        "±": r"$\pm$",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)
_CAPTION = r"Test accuracy at the end of training, mean over seeds with its 95 \% interval."
# An underscore between letters or digits is no emphasis and stays readable without a backslash.
_MARKDOWN_SPECIAL = re.compile(r"[\\`*\[\]<>|~&#$]|(?<![^\W_])_|_(?![^\W_])")

# Every column in its order, its type and its value in a row. The types are given, not inferred: a column is
# there and has its type whatever the records leave empty.
_COLUMNS: dict[str, tuple[str, Callable[[Section, Row], object]]] = {
    "experiment": ("string", lambda section, _: section.experiment),
    "protocol": ("string", lambda section, _: section.setting and section.setting.protocol),
    "dataset": ("string", lambda section, _: section.setting and section.setting.dataset),
    "source": ("string", lambda section, _: section.setting and section.setting.source),
    "draw": ("string", lambda section, _: section.setting and _draw(section.setting)),
    "n_train": ("Int64", lambda section, _: section.setting and section.setting.n_train),
    "n_test": ("Int64", lambda section, _: section.setting and section.setting.n_test),
    "notice": ("string", lambda section, _: section.notice),
    "optimizer": ("string", lambda _, row: row.optimizer),
    "kind": ("string", lambda _, row: row.kind),
    "config_hash": ("string", lambda _, row: row.config_hash),
    "current": ("bool", lambda _, row: row.current),
    "seeds_planned": ("Int64", lambda _, row: row.planned),
    "seeds_finished": ("int64", lambda _, row: len(row.finished)),
    "seeds_diverged": ("int64", lambda _, row: len(row.diverged)),
    "seeds_missing": ("int64", lambda _, row: len(row.missing)),
    "accuracy": ("float64", lambda _, row: row.accuracy and row.accuracy.mean),
    "accuracy_ci95": ("float64", lambda _, row: row.accuracy and row.accuracy.half_width),
    "error": ("float64", lambda _, row: row.error and row.error.mean),
    "error_ci95": ("float64", lambda _, row: row.error and row.error.half_width),
    "reduction_vs_sgd": ("float64", lambda _, row: row.vs_sgd and row.vs_sgd.mean),
    "reduction_vs_sgd_ci95": ("float64", lambda _, row: row.vs_sgd and row.vs_sgd.half_width),
    "reduction_vs_sgd_pairs": ("int64", lambda _, row: row.vs_sgd.n if row.vs_sgd else 0),
    "reduction_vs_adam": ("float64", lambda _, row: row.vs_adam and row.vs_adam.mean),
    "reduction_vs_adam_ci95": ("float64", lambda _, row: row.vs_adam and row.vs_adam.half_width),
    "reduction_vs_adam_pairs": ("int64", lambda _, row: row.vs_adam.n if row.vs_adam else 0),
    "paper_accuracy": ("float64", lambda _, row: row.paper_accuracy),
    "paper_implied": ("boolean", lambda _, row: None if row.paper_accuracy is None else not row.selects),
    "paper_error_reduction": ("float64", lambda _, row: row.paper_reduction),
    "paper_difference": ("float64", lambda _, row: row.paper_difference),
    "notes": ("string", lambda _, row: "; ".join(row.notes)),
}

# The figures of an evaluation that have no column of their own above.
_OPTIONAL = [
    name
    for name, of in Evaluation.model_fields.items()
    if not of.is_required() and name not in ("test_errors", *BY_LAYER)
]


def frame(comparison: Comparison) -> "pd.DataFrame":
    """Return the figures with one row per optimizer and section, and these columns for all records.

    Everything is plain numbers, not rounded, and missing where it is undefined:

    - ``accuracy``, ``error``: means over the finished seeds at the end of training, fractions of 1.
    - ``reduction_vs_sgd``, ``reduction_vs_adam``: the share of that optimizer's errors removed, mean
      over the seeds in pairs (``*_pairs``), fractions of 1; below zero, errors were added.
    - ``*_ci95``: half-widths of the 95 % Student t intervals, in the unit of their means; missing for
      a single seed.
    - ``paper_accuracy``, ``paper_error_reduction``: the paper's, fractions of 1. ``paper_implied``:
      the paper does not print this accuracy, it follows from its figures for DBA.
      ``paper_difference``: our accuracy less the paper's, a fraction (0.01 is one percentage point).
    - ``n_train``, ``n_test``: images. ``seeds_*``: numbers of seeds.
    - ``current``: False for runs of another config than the plan's, which are compared to nothing.
    - After these, the means of any other figure that all finished runs of a row have recorded, such as
      ``copies_errors``, in its own unit.
    - At last, what differs between the rows of any one optimizer, by dotted key of the config, such
      as ``optimizer.lr``: numbers, truths and words, lists as their text.

    Rows are comparable where ``experiment``, ``protocol``, ``dataset``, ``source``, ``draw``,
    ``n_train`` and ``n_test`` agree; from ``protocol`` on these are missing while no run of the plan
    is recorded.

    Example:
        >>> table = frame(compare(Path("results")))
        >>> table.pivot_table("accuracy", "optimizer", "experiment")
    """
    import pandas as pd

    sections = [(section, row) for section in comparison.sections for row in section.rows]
    rows = [row for _, row in sections]
    table = pd.DataFrame(
        {
            name: pd.Series([value(section, row) for section, row in sections], dtype=dtype)
            for name, (dtype, value) in _COLUMNS.items()
        }
    )
    for name in _OPTIONAL:
        means = [row.mean(name) for row in rows]
        if any(means):
            columns = [(mean.mean, mean.half_width) if mean else (None, None) for mean in means]
            table = table.join(pd.DataFrame(columns, columns=[name, f"{name}_ci95"], dtype="float64"))
    for key in differing(rows):
        values = [row.settings.get(key) for row in rows]
        table[key] = [str(value) if isinstance(value, list) else value for value in values]
    return table


def _draw(setting: Setting) -> str:
    return ";".join(f"{key}={value}" for key, value in setting.draw)


def json_text(comparison: Comparison) -> str:
    """Return the sections with their rows as JSON; an undefined value is null.

    ``ci95`` is the half-width of the 95 % confidence interval, ``n`` the number of seeds or pairs.
    """
    content = {
        "format": 1,
        "units": "accuracies, errors and reductions are fractions of 1",
        "sections": comparison.sections,
        "incomplete": comparison.incomplete,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def csv_text(comparison: Comparison) -> str:
    """Return the data frame of the comparison; an undefined value is an empty cell, a truth 0 or 1."""
    table = frame(comparison).round(_DECIMALS).astype({"current": "int64", "paper_implied": "Int64"})
    return table_text(table)


_AS_THEY_ARE = ("optimizer", "kind", "config_hash", "current", "planned", "finished", "diverged", "missing")


def _plain(value: Any) -> dict[str, object]:
    """Return a part of a comparison as JSON has it."""
    match value:
        case Estimate(mean, half_width, n):
            return {"mean": _rounded(mean), "ci95": _rounded(half_width), "n": n}
        case Setting():
            return vars(value) | {"draw": dict(value.draw)}
        case Section():
            return {name: each for name, each in vars(value).items() if name != "ranked"}
    paper = {
        "accuracy": _rounded(value.paper_accuracy),
        "implied": not value.selects,
        "error_reduction": _rounded(value.paper_reduction),
        "difference": _rounded(value.paper_difference),
    }
    return {
        **{name: getattr(value, name) for name in _AS_THEY_ARE},
        "accuracy": value.accuracy,
        "error": value.error,
        "reduction_vs_sgd": value.vs_sgd,
        "reduction_vs_adam": value.vs_adam,
        "paper": None if value.paper_accuracy is None else paper,
        "notes": value.notes,
        "settings": value.settings,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def markdown(comparison: Comparison) -> str:
    """Return a heading, a pipe table and its notes for each section; a sweep's points are one."""
    return "\n".join(_markdown_section(section) for section in comparison.tables)


def latex(comparison: Comparison) -> str:
    """Return a ``table`` float for each section; the document needs the package booktabs."""
    head = "% Needs \\usepackage{booktabs}.\n"
    return head + "\n".join(_latex_section(section) for section in comparison.tables)


def _markdown_section(section: Section) -> str:
    titles, numeric, rows, _ = table_cells(section, _markdown, _markdown)
    sides = ["right" if right else "left" for right in numeric]
    # It must not read numbers out of the cells and round those.
    table = tabulate(rows, titles, "pipe", colalign=sides, disable_numparse=True)
    notice = f"> **{_markdown(section.notice)}**" if section.notice else ""
    listed = "\n".join(f"- {_markdown(line)}" for line in notes(section, called))
    head = [f"## {_markdown(section.experiment)}", notice, _markdown(setting_line(section))]
    return "\n\n".join(filter(None, [*head, table, _markdown(legend(section)), listed])) + "\n"


def _latex_section(section: Section) -> str:
    # Narrow, for a column of a paper: an error is 100 less the accuracy, the caption has the seeds, and what
    # else a row's seeds have is noted below.
    complete = all(row.current and not (row.missing or row.diverged) for row in section.rows)
    told = {"Error (%)", *(["Seeds"] if complete else [])}
    shown = [
        replace(column, on_page=counted) if column.title == "Seeds" else column
        for column in columns(section)
        if column.title not in told
    ]
    _, numeric, rows, below = table_cells(section, _latex, _latex_number, shown)
    heads = [[_latex(line) for line in column.short.split("\n")] for column in shown]
    high = max(map(len, heads))
    lines = zip(*([""] * (high - len(head)) + head for head in heads), strict=True)
    caption = f"{_CAPTION} \\texttt{{{_latex(section.experiment)}}}: {_latex(setting_line(section))}"
    if section.notice:
        caption += f" \\textbf{{{_latex(section.notice)}}}"
    label = re.sub(r"[^A-Za-z0-9]+", "-", section.experiment).strip("-")
    sides = "".join("r" if right else "l" for right in numeric)
    table = [
        r"\begin{table}[htbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{@{{}}{sides}@{{}}}}",
        r"\toprule",
        *(" & ".join(line) + r" \\" for line in lines),
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if below:
        table += ["", r"\smallskip", r"\begin{minipage}{\linewidth}\scriptsize"]
        table += [*(rf"{text}\par" for text in below), r"\end{minipage}"]
    return "\n".join([*table, r"\end{table}", ""])


def _markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\g<0>", _one_line(text))


def _latex(text: str) -> str:
    return _one_line(text).translate(_LATEX)


def _latex_number(cell: str) -> str:
    """Return a numeric cell in mathematics, where a hyphen is a minus sign."""
    if not cell:
        return ""
    formula = cell.replace("±", r"\pm").replace("*", "^{*}")
    return f"${formula}$"


def _one_line(text: str) -> str:
    # A line end in a record's text would end the table's row.
    return " ".join(text.split())


Format = Literal["table", "markdown", "csv", "latex", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
_FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "table": plain_text,
    "markdown": markdown,
    "csv": csv_text,
    "latex": latex,
    "json": json_text,
}


def render(comparison: Comparison, format_name: str) -> str:
    """Return the comparison in one of ``FORMATS``, ending in a line end.

    The same records give the same text, on any machine and day. ``table`` (plain text of 100 columns),
    ``markdown`` and ``latex`` speak in per cent, rounded; ``csv`` and ``json`` in fractions of 1, to
    twelve decimals.

    Raises:
        UserError: There is no such format.
    """
    if format_name not in _FORMATS:
        raise UserError(f"no format {format_name!r}{did_you_mean(format_name, list(FORMATS))}")
    return _FORMATS[format_name](comparison)
