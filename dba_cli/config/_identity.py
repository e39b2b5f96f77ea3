"""When two runs are the same run."""

import hashlib
import json
from typing import Any

from dba_cli.config._schema import Config

# Part of every hash. Raise it when a default's value or a key's meaning changes: defaults are left
# out of the hash so that a *new* key with a default does not disown the runs recorded before it.
_FORMAT = 1

_NOT_COMPUTED: Any = {"experiment": True, "seeds": True, "sweep": True, "training": {"checkpoint": True}}


def config_hash(run: Config) -> str:
    """Return the SHA-256 (hex) of what determines a run: data, model, training and its one optimizer.

    Name, description, the paper's figures, the sweep, the seed and the period of checkpoints are left out:
    they do not change what is computed for a seed. ``run`` is a config narrowed to one optimizer and a
    resolved source.
    """
    content = run.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_COMPUTED)
    # Defaults that only one branch of a union has must still tell the branches apart; and source is
    # named even where it equals its default, since two sources are never the same run.
    content["data"]["source"] = run.data.source
    text = json.dumps([_FORMAT, content], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
