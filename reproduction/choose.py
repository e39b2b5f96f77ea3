"""From the screening to the tuned variants, and from the tuning to the confirmation's config."""

from math import inf
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from dba_cli.config import load_sweep
from reproduction.digest import read_digest
from reproduction.studies import RESULTS, ROOT

DRAWS = {"1pct": {"fraction": 0.01}, "10_per_class": {"per_class": 10}}
BASES = ("sgd", "momentum", "adam")
VARIANT = ["optimizers.dba.metric", "optimizers.dba.order", "optimizers.dba.scope"]
_SEEDS = "10-19"
_HEAD = """\
# Written by `python -m reproduction choose` from results/reproduction/tuning: every optimizer with the point
# that had the fewest validation errors, on seeds (draws, weights, orders) that were not used before.
# Beside each DBA entry stands the control: random subsets of the same sizes, all else equal.

"""


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
    runs = runs.assign(draw=runs.point.map(draw_of), errors=_errors(runs))
    means = runs.groupby(["draw", "optimizer", "point"], as_index=False, sort=False).errors.mean()
    best = means.loc[means.groupby(["draw", "optimizer"], sort=False).errors.idxmin()]
    values = runs.drop(columns=["errors", "seed", "optimizer", "draw"]).drop_duplicates("point")
    return best.merge(values, on="point")


def confirmation(results: Path = RESULTS) -> str:
    """Return the text of ``configs/reproduce/confirmation.yaml``."""
    tuning = load_sweep(ROOT / "configs/reproduce/tuning.yaml")
    entries = {entry.name: entry for entry in tuning.points[0].config.optimizers}
    points: dict[str, Any] = {}
    for row in tuned(results).to_dict("records"):
        entry = entries[row["optimizer"]].model_dump(mode="json", exclude_unset=True)
        prefix = f"optimizers.{entry['name']}."
        for key, value in row.items():
            if str(key).startswith(prefix):
                _assign(entry, str(key).removeprefix(prefix), value)
        controls = [_control(entry)] if entry["name"].startswith(("dba", "variance")) else []
        points[f"{row['draw']}_{entry['name']}"] = {
            "data.draw": DRAWS[row["draw"]],
            "training.steps": int(row["training.steps"]),
            "training.batch_size": int(row["training.batch_size"]),
            "model.hidden": row["model.hidden"],
            "optimizers": [entry, *controls],
        }
    config = {
        "extends": "paper_setting.yaml",
        "experiment": {
            "name": "confirmation",
            "description": "Tuned optimizers on fresh draws, one hidden layer, official test set.",
        },
        "data": {"evaluate_on": "test"},
        "optimizers": [{"name": "none", "kind": "sgd", "lr": 0.1}],
        "seeds": _SEEDS,
        "sweep": {"points": points},
    }
    return _HEAD + yaml.dump(config, Dumper=_Plain, sort_keys=False, width=110, default_flow_style=None)


class _Plain(yaml.SafeDumper):
    """Writes equal values out, where YAML would refer to the first."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that nothing is referred to."""
        return True


def draw_of(point: str) -> str:
    """Return the draw that a point's name begins with."""
    return next(draw for draw in DRAWS if point.startswith(draw + "_"))


def _base_of(point: str) -> str:
    return next(base for base in BASES if point.removeprefix(draw_of(point) + "_").startswith(base))


def _errors(runs: pd.DataFrame) -> pd.Series:
    """Return the errors, infinite for a run that diverged: it is never chosen."""
    return runs.errors.astype(float).where(runs.status == "finished", inf)


def _control(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the same entry with random members: of its sizes by the prefix rule, else of its fixed size."""
    control = {**entry, "name": f"random_for_{entry['name']}", "rule": "random"}
    if entry.get("rule") == "top_k":  # which keeps as few as allowed
        control["max_fraction"] = entry.get("min_fraction", 0.25)
    return control


def _assign(entry: dict[str, Any], key: str, value: Any) -> None:
    section, _, last = key.rpartition(".")
    (entry[section] if section else entry)[last] = value
