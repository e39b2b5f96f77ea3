"""The figures as a data frame: one row per optimizer of every section."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from dba_cli.comparison._model import Comparison, Row, Section
from dba_cli.comparison._statistics import Estimate

if TYPE_CHECKING:  # pandas is imported where it is used: a table on the terminal does without
    import pandas as pd

# Every column in its order. The types are given, not inferred: a column is there and has its type
# whatever the records leave empty.
_DTYPES = {
    "experiment": "string",
    "protocol": "string",
    "dataset": "string",
    "source": "string",
    "draw": "string",
    "n_train": "Int64",
    "n_test": "Int64",
    "notice": "string",
    "optimizer": "string",
    "kind": "string",
    "config_hash": "string",
    "current": "bool",
    "seeds_planned": "Int64",
    "seeds_finished": "int64",
    "seeds_diverged": "int64",
    "seeds_missing": "int64",
    "accuracy": "float64",
    "accuracy_ci95": "float64",
    "error": "float64",
    "error_ci95": "float64",
    "reduction_vs_sgd": "float64",
    "reduction_vs_sgd_ci95": "float64",
    "reduction_vs_sgd_pairs": "int64",
    "reduction_vs_adam": "float64",
    "reduction_vs_adam_ci95": "float64",
    "reduction_vs_adam_pairs": "int64",
    "paper_accuracy": "float64",
    "paper_implied": "boolean",
    "paper_error_reduction": "float64",
    "paper_difference": "float64",
    "notes": "string",
}


def frame(comparison: Comparison) -> "pd.DataFrame":
    """Return the figures with one row per optimizer and section, and the same columns for all records.

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

    Rows are comparable where ``experiment``, ``protocol``, ``dataset``, ``source``, ``draw``,
    ``n_train`` and ``n_test`` agree; from ``protocol`` on these are missing while no run of the plan
    is recorded.

    Example:
        >>> table = frame(compare(Path("results")))
        >>> table.pivot_table("accuracy", "optimizer", "experiment")
    """
    import pandas as pd

    records = [_record(section, row) for section in comparison.sections for row in section.rows]
    return pd.DataFrame(records, columns=list(_DTYPES)).astype(_DTYPES)


def _record(section: Section, row: Row) -> dict[str, object]:
    """Return the row by column; what is undefined may be left out."""
    record: dict[str, object] = {
        "experiment": section.experiment,
        "notice": section.notice,
        "optimizer": row.optimizer,
        "kind": row.kind,
        "config_hash": row.config_hash,
        "current": row.current,
        "seeds_planned": row.planned,
        "seeds_finished": len(row.finished),
        "seeds_diverged": len(row.diverged),
        "seeds_missing": len(row.missing),
        **_estimate("accuracy", row.accuracy),
        **_estimate("error", row.error),
        **_estimate("reduction_vs_sgd", row.vs_sgd),
        "reduction_vs_sgd_pairs": 0 if row.vs_sgd is None else row.vs_sgd.n,
        **_estimate("reduction_vs_adam", row.vs_adam),
        "reduction_vs_adam_pairs": 0 if row.vs_adam is None else row.vs_adam.n,
        "paper_difference": row.paper_difference,
        "notes": "; ".join(row.notes),
    }
    if section.setting is not None:
        draw = ";".join(f"{key}={value}" for key, value in section.setting.draw)
        record |= asdict(section.setting) | {"draw": draw}
    if row.paper is not None:
        record |= {
            "paper_accuracy": row.paper.test_accuracy,
            "paper_implied": row.paper.implied,
            "paper_error_reduction": row.paper.error_reduction,
        }
    return record


def _estimate(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    return {} if estimate is None else {name: estimate.mean, f"{name}_ci95": estimate.half_width}
