"""Tables for programs: shares are fractions of 1, to twelve decimals.

Any further digit says nothing of the runs and differs between machines, by the library that computes
the t quantile; without them the same records give the same bytes everywhere.
"""

import csv
import io
import json
from dataclasses import fields

from dba_cli.comparison._model import Comparison, Row, Section, Setting
from dba_cli.comparison._statistics import Estimate

_Cell = str | int | float | None
_DECIMALS = 12


def json_text(comparison: Comparison) -> str:
    """Return the sections with their rows as JSON; an undefined value is null.

    ``ci95`` is the half-width of the 95 % confidence interval, ``n`` the number of seeds or pairs.
    """
    content = {
        "format": 1,
        "units": "accuracies, errors and reductions are fractions of 1",
        "sections": [_section(section) for section in comparison.sections],
        "incomplete": comparison.incomplete,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def csv_text(comparison: Comparison) -> str:
    """Return one line per row of every section; an undefined value is an empty cell."""
    lines = [_line(section, row) for section in comparison.sections for row in section.rows]
    out = io.StringIO()
    writer = csv.DictWriter(
        out, list(dict.fromkeys(key for line in lines for key in line)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _section(section: Section) -> dict[str, object]:
    setting = section.setting
    return {
        "experiment": section.experiment,
        "description": section.description,
        "setting": None if setting is None else {**_values(setting), "draw": dict(setting.draw)},
        "notice": section.notice,
        "seeds": section.seeds,
        "rows": [_row(row) for row in section.rows],
        "notes": section.notes,
    }


def _row(row: Row) -> dict[str, object]:
    paper = row.paper
    return {
        "optimizer": row.optimizer,
        "kind": row.kind,
        "config_hash": row.config_hash,
        "current": row.current,
        "planned": row.planned,
        "finished": row.finished,
        "diverged": row.diverged,
        "missing": row.missing,
        "accuracy": _estimate(row.accuracy),
        "error": _estimate(row.error),
        "reduction_vs_sgd": _estimate(row.vs_sgd),
        "reduction_vs_adam": _estimate(row.vs_adam),
        "paper": None
        if paper is None
        else {
            "accuracy": _rounded(paper.test_accuracy),
            "implied": paper.implied,
            "error_reduction": _rounded(paper.error_reduction),
            "difference": _rounded(row.paper_difference),
        },
        "notes": row.notes,
    }


def _estimate(estimate: Estimate | None) -> dict[str, float | int | None] | None:
    if estimate is None:
        return None
    return {"mean": _rounded(estimate.mean), "ci95": _rounded(estimate.half_width), "n": estimate.n}


def _line(section: Section, row: Row) -> dict[str, _Cell]:
    setting, paper = section.setting, row.paper
    return {
        "experiment": section.experiment,
        **_values(setting),
        "draw": None if setting is None else ";".join(f"{key}={value}" for key, value in setting.draw),
        "notice": section.notice,
        "optimizer": row.optimizer,
        "kind": row.kind,
        "config_hash": row.config_hash,
        "current": int(row.current),
        "seeds_planned": row.planned,
        "seeds_finished": len(row.finished),
        "seeds_diverged": len(row.diverged),
        "seeds_missing": len(row.missing),
        **_columns("accuracy", row.accuracy),
        **_columns("error", row.error),
        **_columns("reduction_vs_sgd", row.vs_sgd, n="pairs"),
        **_columns("reduction_vs_adam", row.vs_adam, n="pairs"),
        "paper_accuracy": None if paper is None else _rounded(paper.test_accuracy),
        "paper_implied": None if paper is None else int(paper.implied),
        "paper_error_reduction": None if paper is None else _rounded(paper.error_reduction),
        "paper_difference": _rounded(row.paper_difference),
        "notes": "; ".join(row.notes),
    }


def _columns(name: str, estimate: Estimate | None, n: str | None = None) -> dict[str, _Cell]:
    columns: dict[str, _Cell] = {
        name: None if estimate is None else _rounded(estimate.mean),
        f"{name}_ci95": None if estimate is None else _rounded(estimate.half_width),
    }
    if n is not None:
        columns[f"{name}_{n}"] = 0 if estimate is None else estimate.n
    return columns


def _values(setting: Setting | None) -> dict[str, _Cell]:
    # Every column is there without a setting too, so that all tables have the same columns.
    return {
        field.name: None if setting is None else getattr(setting, field.name) for field in fields(Setting)
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
