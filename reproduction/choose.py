"""From what was fewest in errors on the validation split to the configs of the runs on the test set."""

from math import inf
from os.path import relpath
from typing import Any

import pandas as pd
import yaml

from reproduction.command import CONFIGS, Command


def errors(runs: pd.DataFrame) -> pd.Series:
    """Return the errors, infinite for a run that diverged: it is never chosen."""
    return runs.errors.astype(float).where(runs.status == "finished", inf)


def fewest_errors(runs: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """Return the point with the fewest mean errors for each optimizer and value of the columns ``cell``.

    Columns: ``cell``, optimizer, point, errors.
    """
    runs = runs.assign(errors=errors(runs))
    means = runs.groupby([*cell, "optimizer", "point"], as_index=False, sort=False).errors.mean()
    return means.loc[means.groupby([*cell, "optimizer"], sort=False).errors.idxmin()]


def entry(runs: pd.DataFrame) -> dict[str, Any]:
    """Return the entry of the config that ``runs``, all of one chosen entry, have."""
    (found,) = (each for each in runs.optimizers.iloc[0] if each["name"] == runs.optimizer.iloc[0])
    return dict(found)


def is_selection(runs: pd.DataFrame) -> bool:
    """Return whether ``runs``, all of one chosen entry, select otherwise than at random."""
    return "base" in entry(runs) and entry(runs).get("rule") != "random"


def rate(runs: pd.DataFrame, tuning: pd.DataFrame) -> str:
    """Return the learning rate of ``runs``, all of one chosen entry, and whether it ends the range tried."""
    own = entry(runs)
    key, value = ("base.lr", own["base"]["lr"]) if "base" in own else ("lr", own["lr"])
    tried = tuning[f"optimizers.{own['name']}.{key}"] if len(tuning) else pd.Series([0.0, inf])
    end = "highest" if value == tried.max() else "lowest" if value == tried.min() else ""
    return f"{value:g}" + (f" ({end} tried)" if end else "")


def final_config(
    tuning: Command,
    final: Command,
    best: dict[tuple[str, str], str],
    *,
    controls: bool = False,
    head: str | None = None,
) -> str:
    """Return the config of ``final`` with the points ``best``: from name and optimizer to the tuning's point.

    What stands above its points is ``head``, or else the same for every dataset and taken from the config of
    MNIST.

    Raises:
        ValueError: If the optimizers of one new point differ in more than what is their own.
    """
    tried = {point.name: point for point in tuning.points}
    points: dict[str, dict[str, Any]] = {}
    for (name, optimizer), chosen in best.items():
        values = {k: v for k, v in tried[chosen].values.items() if not k.startswith("optimizers.")}
        point = points.setdefault(name, {**values, "optimizers": []})
        if {**values, "optimizers": point["optimizers"]} != point:
            raise ValueError(f"{final.name}: {name} is to be {point}, but {optimizer} has {values}")
        (own,) = (each for each in tried[chosen].config.optimizers if each.name == optimizer)
        point["optimizers"].append({"name": own.name, **own.model_dump(mode="json", exclude_unset=True)})
        if controls and "base" in point["optimizers"][-1]:
            point["optimizers"].append(_control(point["optimizers"][-1]))
    grid: dict[str, Any] = {} if head is None else {"grid": None}  # what the tuning varied is chosen
    if head is None:
        head = (CONFIGS / f"{final.name}.yaml").read_text(encoding="utf-8").partition("sweep:\n")[0]
        head = head.replace(
            "extends: ", f"extends: {relpath(CONFIGS, final.path.parent)}/".removesuffix("./")
        )
    section = {"sweep": {**grid, "points": points}}
    return head + yaml.dump(section, Dumper=_Plain, sort_keys=False, width=110, default_flow_style=None)


class _Plain(yaml.SafeDumper):
    """Writes equal values out, where YAML would refer to the first."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that nothing is referred to."""
        return True


def _control(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the same entry with random members: of its sizes by the prefix rule, else of its fixed size."""
    control = {**entry, "name": f"random_for_{entry['name']}", "rule": "random"}
    if entry.get("rule") == "top_k":  # which keeps as few as allowed
        control["max_fraction"] = entry.get("min_fraction", 0.25)
    return control
