"""The hash that says whether two runs are the same run."""

import hashlib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dba_cli.config import Config, config_hash

SGD = {
    "experiment": {"name": "x", "description": "d", "paper": {"test_accuracy": 1, "error_reduction": 2}},
    "data": {"source": "official", "draw": {"fraction": 1.0}},
    "model": {"kind": "mlp", "hidden": [8]},
    "training": {"epochs": 2, "batch_size": 50, "deformation": {"rotation": 10}},
    "optimizers": [{"name": "o", "kind": "sgd", "lr": 0.1, "momentum": 0.5}],
    "seeds": [0],
}
ADAM_ENTRY = {"kind": "adam", "lr": 0.1}
CNN = SGD | {"model": {"kind": "cnn", "channels": [4]}}
ADAM = SGD | {"optimizers": [{"name": "o", **ADAM_ENTRY}]}
ADAMW = SGD | {"optimizers": [{"name": "o", "kind": "AdamW", "lr": 0.1}]}
DBA_ENTRY = {"kind": "dba", "base": {"kind": "sgd", "lr": 0.1, "momentum": 0.5}}
DBA = SGD | {"optimizers": [{"name": "o", **DBA_ENTRY}]}
DBA_ADAM = SGD | {"optimizers": [{"name": "o", "kind": "dba", "base": ADAM_ENTRY}]}
RUNS = [SGD, CNN, ADAM, ADAMW, DBA, DBA_ADAM]
FREE = {"experiment", "seeds", "sweep"}

# Tried one after another until the schema takes one in place of a value.
OTHERS: list[Any] = [
    *[False, True, 0.25, 0.75, 3, 50, [8, 8], [0.75, 0.5], [3, 50]],
    *["kmnist", "embedded", "facility_location", "deskew", "validation", "tanh", "cosine", "bfloat16"],
    *["norm", "top_k", "model", "cnn", {"kind": "Adagrad", "lr": 0.1}, "p"],
    *[{"kind": "pair", "rate": 0.5}, {"ratio": 5}],
]


def changed(values: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    values = deepcopy(values)
    target: Any = values
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return values


def hash_of(values: dict[str, Any]) -> str:
    return config_hash(Config.model_validate(values))


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key that a run's config has, the defaults' included."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key)
            yield from paths(value, (*path, key))
    elif path == ("optimizers",):
        yield from paths(node[0], (*path, 0))


def another(values: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any] | None:
    """``values`` with another value at ``path``, if need be in place of a neighbour of which one is given."""
    section: Any = values
    for step in path[:-1]:
        section = section[step]
    for other in OTHERS:
        for neighbour in (None, "epochs", "fraction"):
            if other == value or (neighbour and (neighbour not in section or neighbour == path[-1])):
                continue
            tried = changed(values, path, other)
            tried = changed(tried, (*path[:-1], neighbour), None) if neighbour else tried
            try:
                Config.model_validate(tried)
            except ValidationError:
                continue
            return tried
    return None


@pytest.mark.parametrize("values", RUNS, ids=["sgd", "cnn", "adam", "AdamW", "dba", "dba, adam"])
def test_every_key_that_matters_changes_it(values: dict[str, Any]) -> None:
    whole = Config.model_validate(values).model_dump(mode="json")
    hashes = {hash_of(values)}
    assert hashes == {hash_of(whole)}  # a default is the same, written or not
    tried, stuck = 0, set()
    for path in paths(whole):
        # What the runs share is looked at in one of them.
        if path[0] in FREE or "checkpoint" in path or (values is not SGD and values[path[0]] == SGD[path[0]]):
            continue
        value: Any = whole
        for step in path:
            value = value[step]
        other = another(whole, path, value)
        if other is None:
            stuck.add(path[-1])
        else:
            tried += 1
            hashes.add(hash_of(other))
    # Sections as a whole have no other value here; their keys do, and their kinds in the other runs.
    sections = {"data", "model", "training", "optimizers", "draw", "schedule", "evaluation", "deformation"}
    sections |= {"loss", "early_stopping"}
    assert stuck <= sections | {"base", "kind", "fused", "path", "target", "sha256"}
    assert len(hashes) == 1 + tried


def test_all_these_runs_differ() -> None:
    assert len({hash_of(values) for values in RUNS}) == len(RUNS)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("experiment", "name"), "another"),
        (("experiment", "description"), ""),
        (("experiment", "paper"), None),
        (("experiment", "paper", "test_accuracy"), 50),
        (("training", "checkpoint"), {"steps": 7}),
        (("training", "checkpoint"), None),
        (("seeds",), [0, 1, 2]),
        (("sweep",), {"grid": {"training.epochs": [1, 2]}}),
        # the same values, written otherwise
        (("training", "steps"), None),
        (("optimizers", 0, "weight_decay"), 0),
    ],
)
def test_what_does_not_matter_leaves_it(path: tuple[Any, ...], value: Any) -> None:
    assert hash_of(changed(SGD, path, value)) == hash_of(SGD)


def shuffled(data: st.DataObject, node: Any) -> Any:
    if isinstance(node, dict):
        return {key: shuffled(data, node[key]) for key in data.draw(st.permutations(list(node)))}
    return [shuffled(data, item) for item in node] if isinstance(node, list) else node


@settings(max_examples=25, derandomize=True, deadline=None)
@given(data=st.data(), values=st.sampled_from(RUNS))
def test_the_order_of_keys_does_not_matter(data: st.DataObject, values: dict[str, Any]) -> None:
    assert hash_of(shuffled(data, values)) == hash_of(values)


@pytest.mark.parametrize(
    ("source", "entry", "training", "text"),
    [
        (
            "official",
            {"name": "o", **DBA_ENTRY},
            {"batch_size": 50, "epochs": 2},
            '[1,{"data":{"draw":{"per_class":10},"source":"official"},'
            '"model":{"hidden":[8],"kind":"mlp"},'
            '"optimizers":[{"base":{"kind":"sgd","lr":0.1,"momentum":0.5},"kind":"dba","name":"o"}],'
            '"training":{"batch_size":50,"epochs":2}}]',
        ),
        (
            "auto",  # part of it even where it is the default
            {"name": "o", "kind": "adam"},
            {"epochs": 2},
            '[1,{"data":{"draw":{"per_class":10},"source":"auto"},'
            '"model":{"hidden":[8],"kind":"mlp"},'
            '"optimizers":[{"kind":"adam","name":"o"}],'
            '"training":{"epochs":2}}]',
        ),
    ],
)
def test_pinned(source: str, entry: dict[str, Any], training: dict[str, Any], text: str) -> None:
    """Change these literals only together with ``_FORMAT``: it disowns every recorded run."""
    data = {"source": source, "draw": {"per_class": 10}}
    run = SGD | {"data": data, "optimizers": [entry], "training": training}
    assert hash_of(run) == hashlib.sha256(text.encode()).hexdigest()
