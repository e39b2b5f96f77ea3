"""The screening's best variants and the tuning's best points, by errors on the validation split."""

from math import inf
from pathlib import Path

import pandas as pd

from reproduction.digest import read_digest
from reproduction.studies import RESULTS

DRAWS = ("1pct", "10_per_class")
BASES = ("sgd", "momentum", "adam")
VARIANT = ["optimizers.dba.metric", "optimizers.dba.order", "optimizers.dba.scope"]


def screened(results: Path = RESULTS) -> pd.DataFrame:
    """Return the mean validation errors of every variant: rows are draw, base and variant, best first."""
    runs = read_digest("screening", results)
    runs = runs.assign(draw=runs.point.map(draw_of), base=runs.point.map(_base_of), errors=_errors(runs))
    return runs.groupby(["draw", "base", *VARIANT], as_index=False).errors.mean().sort_values("errors")


def best_variant(base: str, results: Path = RESULTS) -> dict[str, str]:
    """Return metric, order and scope with the fewest validation errors over both draws, for one base."""
    table = screened(results)
    means = table[table.base == base].groupby(VARIANT).errors.mean()
    return dict(zip((key.rpartition(".")[2] for key in VARIANT), means.idxmin(), strict=True))


def tuned(results: Path = RESULTS) -> pd.DataFrame:
    """Return each optimizer's best point for each draw: draw, optimizer, point, errors, and its values."""
    runs = read_digest("tuning", results)
    best = best_points(runs.assign(draw=runs.point.map(draw_of)), "draw")
    return best.merge(runs.drop(columns=["errors", "seed", "optimizer"]).drop_duplicates("point"), on="point")


def best_points(runs: pd.DataFrame, cell: str) -> pd.DataFrame:
    """Return the point with the fewest mean errors for each optimizer and value of the column ``cell``.

    Columns: ``cell``, optimizer, point, errors. A run that diverged has infinite errors.
    """
    runs = runs.assign(errors=_errors(runs))
    means = runs.groupby([cell, "optimizer", "point"], as_index=False, sort=False).errors.mean()
    return means.loc[means.groupby([cell, "optimizer"], sort=False).errors.idxmin()]


def rate(runs: pd.DataFrame, tuning: pd.DataFrame) -> str:
    """Return the learning rate of ``runs``, all of one entry, and whether it ends the range tried."""
    name = runs.optimizer.iloc[0]
    (entry,) = (each for each in runs.optimizers.iloc[0] if each["name"] == name)
    key, value = ("base.lr", entry["base"]["lr"]) if "base" in entry else ("lr", entry["lr"])
    tried = tuning[f"optimizers.{name}.{key}"] if len(tuning) else pd.Series([0.0, float("inf")])
    end = "highest" if value == tried.max() else "lowest" if value == tried.min() else ""
    return f"{value:g}" + (f" ({end} tried)" if end else "")


def draw_of(point: str) -> str:
    """Return the draw that a point's name begins with."""
    return next(draw for draw in DRAWS if point.startswith(draw + "_"))


def _base_of(point: str) -> str:
    return next(base for base in BASES if point.removeprefix(draw_of(point) + "_").startswith(base))


def _errors(runs: pd.DataFrame) -> pd.Series:
    """Return the errors, infinite for a run that diverged: it is never chosen."""
    return runs.errors.astype(float).where(runs.status == "finished", inf)
