"""From what was chosen on the validation split to the configs of the runs on the test set."""

from pathlib import Path
from typing import Any

import yaml

from dba_cli.config import load_sweep
from reproduction import convergence, step_budget
from reproduction.choose import tuned
from reproduction.studies import RESULTS, ROOT

_HEAD = """\
# Written by `python -m reproduction choose` from results/reproduction/{tuning}: every optimizer with
# {what}, on seeds that the tuning did not use.

"""
_CONTROL = """\
# Beside each DBA entry stands the control: random subsets of the same sizes, all else equal.

"""


def final_configs(results: Path = RESULTS) -> dict[str, str]:
    """Return the texts of the files in ``configs/reproduce`` that hold what was chosen, by study."""
    tuning = {
        (f"{row['draw']}_{row['optimizer']}", row["optimizer"]): row["point"]
        for row in tuned(results).to_dict("records")
    }
    return {
        "confirmation": _HEAD.format(tuning="tuning", what="the point that had the fewest validation errors")[
            :-1
        ]
        + _CONTROL
        + _config(
            "tuning",
            {
                "name": "confirmation",
                "description": "Tuned optimizers on fresh draws, one hidden layer, official test set.",
            },
            "10-19",
            tuning,
            controls=True,
        ),
        "step_budget": _HEAD.format(
            tuning="step_budget_tuning", what="the learning rate that had the fewest validation errors"
        )
        + _config(
            "step_budget_tuning",
            {
                "name": "step_budget",
                "description": "All images are candidates; at most 1 % or 10 per class of them in one step.",
            },
            "0-9",
            step_budget.fewest_errors(results),
        ),
        "convergence": _HEAD.format(
            tuning="convergence_tuning", what="the learning rate that was soonest at the targets there"
        )
        + _config(
            "convergence_tuning",
            {
                "name": "convergence",
                "description": "Steps, samples and seconds to fixed test accuracies, one hidden layer.",
            },
            "0-9",
            convergence.soonest(results),
        ),
    }


def _config(
    tuning: str,
    experiment: dict[str, str],
    seeds: str,
    best: dict[tuple[str, str], str],
    *,
    controls: bool = False,
) -> str:
    """Return the tuning's config with the points ``best``: from name and optimizer to a point there.

    Raises:
        ValueError: If the optimizers of one new point differ in more than what is their own.
    """
    path = ROOT / f"configs/reproduce/{tuning}.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    tried = {point.name: point for point in load_sweep(path).points}
    points: dict[str, dict[str, Any]] = {}
    for (name, optimizer), chosen in best.items():
        values = {k: v for k, v in tried[chosen].values.items() if not k.startswith("optimizers.")}
        point = points.setdefault(name, {**values, "optimizers": []})
        if {**values, "optimizers": point["optimizers"]} != point:
            raise ValueError(f"{experiment['name']}: {name} is to be {point}, but {optimizer} has {values}")
        (entry,) = (each for each in tried[chosen].config.optimizers if each.name == optimizer)
        point["optimizers"].append(entry.model_dump(mode="json", exclude_unset=True))
        if controls and entry.kind == "dba":
            point["optimizers"].append(_control(point["optimizers"][-1]))
    final = {
        **{key: config[key] for key in ("extends", "experiment", "data", "training") if key in config},
        "experiment": experiment,
        "data": {**config.get("data", {}), "evaluate_on": "test"},
        "seeds": seeds,
        "sweep": {"points": points},
    }
    return yaml.dump(final, Dumper=_Plain, sort_keys=False, width=110, default_flow_style=None)


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
