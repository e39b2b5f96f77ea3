"""Tables for programs: shares are fractions of 1, to twelve decimals.

Any further digit says nothing of the runs and differs between machines, by the library that computes
the t quantile; without them the same records give the same bytes everywhere.
"""

import json
from dataclasses import asdict

from dba_cli.comparison._frame import frame
from dba_cli.comparison._model import Comparison, Row, Section
from dba_cli.comparison._statistics import Estimate

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
    """Return the data frame of the comparison; an undefined value is an empty cell, a truth 0 or 1."""
    table = frame(comparison).round(_DECIMALS).astype({"current": "int64", "paper_implied": "Int64"})
    return table.to_csv(index=False, lineterminator="\n")


def _section(section: Section) -> dict[str, object]:
    setting = section.setting
    return {
        "experiment": section.experiment,
        "description": section.description,
        "setting": None if setting is None else asdict(setting) | {"draw": dict(setting.draw)},
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


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
