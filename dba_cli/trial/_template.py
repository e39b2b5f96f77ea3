"""From samples to the config of their trial: network, protocol, optimizers."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dba_cli.config import Config, from_data
from dba_cli.data import Samples, form_of
from dba_cli.errors import UserError

HOLDOUT = 0.2
"""Share of each class that a split is tested on, where no test part is given."""
_EPOCHS = 40
_FEWEST_STEPS, _MOST_STEPS = 300, 3000
_LARGEST_BATCH = 100
_SMALLEST_IMAGE = 16  # pixels of height or width from which a convolutional network is chosen

SGD = {"kind": "sgd", "lr": 0.1, "momentum": 0.9}
_OPTIMIZERS = [
    {"name": "sgd", **SGD},
    {"name": "adam", "kind": "adam", "lr": 0.003},
    {"name": "dba", "kind": "dba", "base": SGD},
    {"name": "random", "kind": "dba", "rule": "random", "base": SGD},
]


def template(
    samples: Samples, path: Path, target: str | None, name: str, overrides: Sequence[str] = ()
) -> Config:
    """Return the config of the comparison before anything is tuned, by the shape and number of the samples.

    Its rates are the middle of what will be tried; its steps and seeds are as many as are worth their time.

    Args:
        samples: what ``path`` holds.
        path: a folder, a ``.npz`` or a CSV.
        target: the column of a CSV's classes.
        name: the experiment's.
        overrides: ``KEY=VALUE`` for any key.

    Raises:
        UserError: An override is no such key or value, or leaves nothing to compare or to tune.
    """
    held_out = samples.test is None
    trained = round(len(samples) * (1 - HOLDOUT if held_out else 1) * 5 / 6)
    batch = min(_LARGEST_BATCH, max(10, trained // 8), max(1, trained // 2))
    steps = min(max(math.ceil(_EPOCHS * trained / batch), _FEWEST_STEPS), _MOST_STEPS)
    data = {
        "dataset": form_of(path),
        "path": str(path.absolute()),
        "target": target,
        "holdout": HOLDOUT if held_out else None,
        "draw": {"fraction": 1.0},
        "standardize": True,
    }
    config = {
        "experiment": {"name": name},
        "data": data,
        "model": network(samples.shape),
        "training": {
            "steps": steps,
            "batch_size": batch,
            "schedule": {"kind": "cosine"},
            "evaluation": {"steps": steps},
        },
        "optimizers": _OPTIMIZERS,
        "seeds": list(range(10)),
    }
    made = from_data(config, overrides)
    _check(made)
    return made


def _check(config: Config) -> None:
    """Refuse what an override makes of the config that could be run but not tried."""
    if config.data.evaluate_on != "test":
        raise UserError(
            "data.evaluate_on: what a trial chooses by, and is tested on, it says itself: leave it out"
        )
    for selects, kind in ((True, "that selects (kind: dba)"), (False, "that does not")):
        if selects not in [entry.selects for entry in config.optimizers]:
            raise UserError(f"optimizers: a trial needs one {kind}")
    for entry in config.optimizers:
        if "lr" not in entry.base_optimizer.arguments:
            raise UserError(
                f"optimizers.{entry.name}: {entry.base_optimizer.kind} has no key 'lr' that could be tuned"
            )


def network(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the model section for samples of a shape: an MLP, for images of 16 pixels or more a small CNN.

    Each convolution is followed by GroupNorm and halves the image, down to 3 to 5 pixels.
    """
    if len(shape) < 3 or min(shape[1:]) < _SMALLEST_IMAGE:
        return {"kind": "mlp", "hidden": [100]}
    halvings = min(6, round(math.log2(min(shape[1:]) / 4)))
    return {"kind": "cnn", "channels": [16, 32, 64, 64, 64, 64][:halvings], "groups": 8}


def slug(path: Path) -> str:
    """Return a name for an experiment on ``path``."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.absolute().stem).strip("-_.")[:60] or "data"
