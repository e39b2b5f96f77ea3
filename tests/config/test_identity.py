"""The hash that says whether two runs are the same run."""

import hashlib
import json
from copy import deepcopy
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from dba_cli.config import Config, config_hash

SGD = {
    "experiment": {"name": "x", "description": "d", "paper": {"test_accuracy": 1, "error_reduction": 2}},
    "data": {"dataset": "mnist", "source": "official", "draw": {"per_class": 10}},
    "model": {"kind": "mlp", "hidden": [8], "activation": "relu"},
    "training": {
        "epochs": 2,
        "batch_size": 50,
        "schedule": {"kind": "constant", "warmup_steps": 0},
        "evaluation": {"epochs": 1},
    },
    "optimizers": [
        {"name": "o", "kind": "sgd", "lr": 0.1, "momentum": 0.5, "nesterov": False, "weight_decay": 0.0}
    ],
    "seeds": [0],
}
CNN = {**SGD, "model": {"kind": "cnn", "channels": [4]}}
SGD_ENTRY = {"kind": "sgd", "lr": 0.1, "momentum": 0.5}
ADAM_ENTRY = {"kind": "adam", "lr": 0.1, "betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.0}
ADAM = {**SGD, "optimizers": [{"name": "o", **ADAM_ENTRY}]}
DBA = {
    **SGD,
    "optimizers": [{"name": "o", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1, "momentum": 0.5}}],
}
FULL = {**SGD, "data": {**SGD["data"], "draw": {"fraction": 1.0}}}
DEFORMED = {**SGD, "training": {**SGD["training"], "deformation": {"rotation": 10}}}
DBA_ADAM = {**SGD, "optimizers": [{"name": "o", "kind": "dba", "base": ADAM_ENTRY}]}

# config, dotted path, another value: every key that changes what is computed.
CHANGES: list[tuple[dict[str, Any], str, Any]] = [
    (SGD, "data.dataset", "kmnist"),
    (SGD, "data.source", "embedded"),
    (SGD, "data.draw.per_class", 11),
    (SGD, "data.draw", {"fraction": 0.5}),
    (SGD, "data.draw.by", "facility_location"),
    (SGD, "data.preprocessing", "deskew"),
    (SGD, "data.standardize", True),
    (SGD, "data.evaluate_on", "validation"),
    (SGD, "model.hidden", [9]),
    (SGD, "model.hidden", [8, 8]),
    (SGD, "model.activation", "tanh"),
    (SGD, "model", {"kind": "cnn"}),
    (CNN, "model.channels", [5]),
    (CNN, "model.activation", "tanh"),
    (SGD, "training.epochs", 3),
    (SGD, "training.batch_size", 51),
    (SGD, "training.schedule.kind", "cosine"),
    (SGD, "training.schedule.warmup_steps", 1),
    (SGD, "training.evaluation.epochs", 2),
    (SGD, "training.evaluation", {"steps": 1}),
    (SGD, "training", {"steps": 2, "batch_size": 50, "evaluation": {"epochs": 1}}),
    (SGD, "training.evaluation.copies", 3),
    (FULL, "training.step_budget", 50),
    (SGD, "training.label_smoothing", 0.1),
    (SGD, "training.precision", "bfloat16"),
    (SGD, "training.trace", True),
    (DEFORMED, "training.deformation.rotation", 5),
    (DEFORMED, "training.deformation.scale", 0.2),
    (DEFORMED, "training.deformation.aspect", 0.2),
    (DEFORMED, "training.deformation.shear", 0.2),
    (DEFORMED, "training.deformation.translation", 2),
    (DEFORMED, "training.deformation.elastic", 2),
    (DEFORMED, "training.deformation.elastic_sigma", 5),
    (DEFORMED, "training.deformation.thickness", 0.5),
    (SGD, "optimizers.0.batch_size", 40),
    (ADAM, "optimizers.0.batch_size", 40),
    (DBA, "optimizers.0.batch_size", 40),
    (SGD, "optimizers.0.name", "p"),
    (SGD, "optimizers.0.lr", 0.2),
    (SGD, "optimizers.0.momentum", 0.25),
    (SGD, "optimizers.0.nesterov", True),
    (SGD, "optimizers.0.weight_decay", 1e-9),
    (SGD, "optimizers.0", {"name": "o", **ADAM_ENTRY}),
    (ADAM, "optimizers.0.name", "p"),
    (ADAM, "optimizers.0.lr", 0.2),
    (ADAM, "optimizers.0.betas", [0.9, 0.98]),
    (ADAM, "optimizers.0.betas", [0.99, 0.9]),
    (ADAM, "optimizers.0.eps", 1e-7),
    (ADAM, "optimizers.0.weight_decay", 1e-9),
    (DBA, "optimizers.0.name", "p"),
    (DBA, "optimizers.0.base.lr", 0.2),
    (DBA, "optimizers.0.base.momentum", 0.25),
    (DBA, "optimizers.0.base.nesterov", True),
    (DBA, "optimizers.0.base.weight_decay", 1e-9),
    (DBA, "optimizers.0.base", ADAM_ENTRY),
    (DBA, "optimizers.0.rule", "top_k"),
    (DBA, "optimizers.0.metric", "norm"),
    (DBA, "optimizers.0.order", "norm"),
    (DBA, "optimizers.0.min_fraction", 0.5),
    (DBA, "optimizers.0.max_fraction", 0.5),
    (DBA, "optimizers.0.size", 5),
    (DBA, "optimizers.0.scope", "model"),
    (DBA, "optimizers.0.stratified", True),
    (DBA_ADAM, "optimizers.0.base.lr", 0.2),
    (DBA_ADAM, "optimizers.0.base.betas", [0.9, 0.98]),
    (DBA_ADAM, "optimizers.0.base.eps", 1e-7),
    (DBA_ADAM, "optimizers.0.base.weight_decay", 1e-9),
]
FREE = {"experiment", "seeds", "sweep"}


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    values = deepcopy(values)
    *sections, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    target: Any = values
    for step in sections:
        target = target[step]
    target[last] = value
    return values


def hash_of(values: dict[str, Any]) -> str:
    return config_hash(Config.model_validate(values))


@pytest.mark.parametrize(("values", "path", "value"), CHANGES)
def test_every_key_that_matters_changes_it(values: dict[str, Any], path: str, value: Any) -> None:
    assert hash_of(changed(values, path, value)) != hash_of(values)


def test_all_these_runs_differ() -> None:
    hashes = [hash_of(values) for values in (SGD, CNN, ADAM, DBA, DBA_ADAM)]
    hashes += [hash_of(changed(values, path, value)) for values, path, value in CHANGES]
    # Two of the changes turn one run of the list into another one.
    assert len(hashes) - len(set(hashes)) == 2


def keys_of(model: type[BaseModel]) -> set[tuple[str, str]]:
    """Every (section class, key) below ``model``."""
    found = set()
    for name, field in model.model_fields.items():
        inner = sections_in(field.annotation)
        found |= set().union(*map(keys_of, inner)) if inner else {(model.__name__, name)}
    return found


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_in(part)]


def test_no_key_of_the_schema_is_forgotten_here() -> None:
    """A key added to the schema needs a line in CHANGES, or to be free on purpose."""
    tried = set()
    for values, path, _ in CHANGES:
        node: Any = Config.model_validate(values)
        *sections, last = path.split(".")
        for step in sections:
            node = node[int(step)] if step.isdigit() else getattr(node, step)
        tried.add((type(node).__name__, last))
    wanted = set()
    for name, field in Config.model_fields.items():
        if name not in FREE:
            wanted |= set().union(*map(keys_of, sections_in(field.annotation)))
    # Kinds change with their section; of two lengths, one is given in the other's place.
    exempt = {(section, key) for section, key in wanted if key == "kind" and section != "ScheduleConfig"}
    exempt |= {("Draw", "fraction"), ("Evaluation", "steps"), ("TrainingConfig", "steps")}
    exempt |= {("Checkpoint", "steps"), ("Checkpoint", "seconds")}  # free: see below
    assert exempt <= wanted
    assert wanted - tried == exempt


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("experiment.name", "another"),
        ("experiment.description", ""),
        ("experiment.paper", None),
        ("experiment.paper.test_accuracy", 50),
        ("experiment.paper.error_reduction", 50),
        ("training.checkpoint", {"steps": 7}),
        ("training.checkpoint", {"seconds": 7}),
        ("training.checkpoint", None),
        ("seeds", [5]),
        ("seeds", [0, 1, 2]),
        # the same values, written otherwise
        ("training.steps", None),
        ("data.draw.fraction", None),
        ("training.evaluation.steps", None),
        ("optimizers.0.weight_decay", 0),
    ],
)
def test_what_does_not_matter_leaves_it(path: str, value: Any) -> None:
    assert hash_of(changed(SGD, path, value)) == hash_of(SGD)


@pytest.mark.parametrize(
    "path",
    ["data.dataset", "model.activation", "training.schedule", "training.evaluation", "optimizers.0.nesterov"],
)
def test_a_default_is_the_same_written_or_not(path: str) -> None:
    without = deepcopy(SGD)
    *sections, last = path.split(".")
    target: Any = without
    for step in sections:
        target = target[int(step) if step.isdigit() else step]
    del target[last]
    assert hash_of(without) == hash_of(SGD)


def test_sources_are_never_the_same_run() -> None:
    hashes = {hash_of(changed(SGD, "data.source", source)) for source in ("auto", "official", "embedded")}
    assert len(hashes) == 3


def shuffled(data: st.DataObject, node: Any) -> Any:
    if isinstance(node, dict):
        return {key: shuffled(data, node[key]) for key in data.draw(st.permutations(list(node)))}
    return [shuffled(data, item) for item in node] if isinstance(node, list) else node


@settings(max_examples=25, derandomize=True, deadline=None)
@given(data=st.data(), values=st.sampled_from([SGD, CNN, ADAM, DBA, DBA_ADAM]))
def test_the_order_of_keys_does_not_matter(data: st.DataObject, values: dict[str, Any]) -> None:
    assert hash_of(shuffled(data, values)) == hash_of(values)


def test_pinned() -> None:
    """Change this literal only together with ``_FORMAT``: it disowns every recorded run."""
    text = (
        '[1,{"data":{"draw":{"per_class":10},"source":"official"},'
        '"model":{"hidden":[8],"kind":"mlp"},'
        '"optimizers":[{"base":{"kind":"sgd","lr":0.1,"momentum":0.5},"kind":"dba","name":"o"}],'
        '"training":{"batch_size":50,"epochs":2}}]'
    )
    assert json.loads(text)[0] == 1
    assert (
        hash_of(DBA)
        == hashlib.sha256(text.encode()).hexdigest()
        == ("6c5b2633f706917f14593c4aca1200521cbe34bcd344512fddcb218c958e20ce")
    )


def test_the_source_is_part_of_it_even_where_it_is_the_default() -> None:
    text = (
        '[1,{"data":{"draw":{"per_class":10},"source":"auto"},'
        '"model":{"hidden":[8],"kind":"mlp"},'
        '"optimizers":[{"kind":"adam","name":"o"}],'
        '"training":{"epochs":2}}]'
    )
    run = {**changed(SGD, "data.source", "auto"), "optimizers": [{"name": "o", "kind": "adam"}]}
    run["training"] = {"epochs": 2}
    assert hash_of(run) == hashlib.sha256(text.encode()).hexdigest()
