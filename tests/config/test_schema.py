"""Bounds at their edges, defaults, and what the sections compute."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from dba_cli.config import (
    Checkpoint,
    Config,
    DataConfig,
    Deformation,
    Draw,
    EarlyStopping,
    Evaluation,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainingConfig,
)
from dba_cli.records import PaperFigures

MLP, CNN = {"kind": "mlp"}, {"kind": "cnn"}
SGD = {"name": "a", "kind": "sgd", "lr": 0.1}
ADAM = {"name": "a", "kind": "adam"}
DBA = {"name": "a", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}}
DATA = {"draw": {"per_class": 1}}
ONE = {"epochs": 1}
TINY = 5e-324
INF, NAN = float("inf"), float("nan")
BELOW_1 = 1 - 2**-53
SHARE = ([0, BELOW_1], [-TINY, 1, NAN, INF, None, "0.5"])
BATCH = ([None, 1, 100_000], [0, 1.0])
SWITCH = ([True, False], [1, 0, "true", None])


def up_to(most: float) -> tuple[list[Any], list[Any]]:
    return [0, most], [-TINY, most + 0.1, INF, NAN, "1"]


@pytest.mark.parametrize(
    ("section", "rest", "key", "good", "bad"),
    [
        (Draw, {}, "fraction", [TINY, 0.01, 1, 1.0], [0, 0.0, -0.1, 1 + 2**-52, 2, INF, NAN, "1", True]),
        (Draw, {}, "per_class", [1, 100_000], [0, -1, 1.0, "1", True]),
        (Draw, {"per_class": 1}, "by", ["random", "facility_location"], ["k-centre", "", None]),
        (DataConfig, DATA, "preprocessing", ["none", "deskew"], ["straighten", None, False]),
        (DataConfig, DATA, "standardize", *SWITCH),
        (DataConfig, DATA, "evaluate_on", ["test", "validation", "noisy_validation"], ["train", None]),
        (ModelConfig, MLP, "hidden", [(1,), (100_000,) * 20], [[], [0], [100_001], [1] * 21, [1.0], 1]),
        (ModelConfig, MLP, "activation", ["relu", "tanh", "sigmoid", "gelu", "silu"], ["ReLU", "", None]),
        (ModelConfig, CNN, "channels", [(1,), (1024,) * 8], [[], [0], [1025], [1] * 9]),
        (ScheduleConfig, {}, "kind", ["constant", "cosine", "linear"], ["step", None]),
        (ScheduleConfig, {}, "warmup_steps", [0, 10_000_000], [-1, 10_000_001, 0.0, None]),
        (TrainingConfig, {}, "epochs", [1, 1_000_000], [0, 1_000_001, 1.0, "1"]),
        (TrainingConfig, {}, "steps", [1, 100_000_000], [0, 100_000_001]),
        (TrainingConfig, ONE, "batch_size", [1, 100_000], [0, None]),
        (TrainingConfig, ONE, "step_budget", *BATCH),
        (TrainingConfig, ONE, "label_smoothing", *SHARE),
        (EarlyStopping, {}, "share", [TINY, 0.999], [0, 1, NAN]),
        (TrainingConfig, ONE, "precision", ["float32", "bfloat16"], ["float16", "bf16", 16, None]),
        (TrainingConfig, ONE, "trace", *SWITCH),
        (Checkpoint, {}, "steps", [1, 100_000_000], [0, 100_000_001, 1.0]),
        (Checkpoint, {}, "seconds", [TINY, 1, 1_000_000], [0, -1, 1_000_001, INF, NAN, "60"]),
        (Evaluation, {}, "steps", [1], [0]),
        (Evaluation, {"steps": 1}, "copies", [0, 1000], [-1, 1001, 1.0, None]),
        (Deformation, {}, "rotation", *up_to(180)),
        (Deformation, {}, "scale", *SHARE),
        (Deformation, {}, "aspect", *SHARE),
        (Deformation, {}, "shear", *up_to(1)),
        (Deformation, {}, "translation", *up_to(14)),
        (Deformation, {}, "elastic", *up_to(14)),
        (Deformation, {}, "elastic_sigma", [TINY, 14], [0, 14.1, NAN]),
        (Deformation, {}, "thickness", *up_to(2)),
        *((OptimizerConfig, entry, "batch_size", *BATCH) for entry in (SGD, ADAM, DBA)),
        (
            OptimizerConfig,
            SGD,
            "name",
            ["a", "A-1_.b", "x" * 100],
            ["", ".a", "-a", "a b", "a/", "é", "a\n", "x" * 101],
        ),
        (OptimizerConfig, SGD, "lr", [TINY, 1000], [0, -1, 1000.1, INF, NAN, None]),
        (OptimizerConfig, SGD, "momentum", *SHARE),
        (OptimizerConfig, SGD, "weight_decay", *SHARE),
        (OptimizerConfig, ADAM, "betas", [(0, 0), (BELOW_1, 0.5)], [[0.9], [0.9] * 3, [1, 0], [NAN, 0], 0]),
        (OptimizerConfig, ADAM, "eps", [TINY, 1], [0, 1.1, INF, NAN]),
        (OptimizerConfig, DBA, "stratified", *SWITCH),
        (OptimizerConfig, DBA, "scope", ["layer", "model"], ["batch"]),
        (OptimizerConfig, DBA, "metric", ["snr", "variance", "diversity", "noise_scale"], ["SNR", "", 1]),
        (OptimizerConfig, DBA, "order", ["alignment", "projection", "norm", "distance"], ["up", None]),
        (OptimizerConfig, DBA, "rule", ["prefix", "random", "all"], ["best", None]),
        (PaperFigures, {"error_reduction": 0}, "test_accuracy", *up_to(100)),
        (PaperFigures, {"test_accuracy": 0}, "error_reduction", *up_to(100)),
    ],
)
def test_bounds(section: Any, rest: dict[str, Any], key: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert getattr(section.model_validate({**rest, key: value}), key) == value
    for value in bad:
        with pytest.raises(ValidationError) as caught:
            section.model_validate({**rest, key: value})
        assert caught.value.errors()[0]["loc"][0] == key


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"min_fraction": -0.1}, "min_fraction must be in"),
        ({"min_fraction": 1.1, "max_fraction": 1}, "min_fraction must be in"),
        ({"max_fraction": 0}, "max_fraction must be in"),
        ({"max_fraction": 1.1}, "max_fraction must be in"),
        ({"max_fraction": 0.1}, "min_fraction 0.25 is above max_fraction 0.1"),
        ({"size": 0}, "size must be at least 1"),
        ({"min_fraction": 0}, None),
        ({"min_fraction": 1}, None),
        ({"max_fraction": 0.25}, None),
        ({"size": 1, "max_fraction": 0.1}, None),
    ],
)
def test_sizes_are_judged_by_the_method(keys: dict[str, Any], said: str | None) -> None:
    if said is None:
        assert OptimizerConfig.model_validate(DBA | keys).arguments.items() >= keys.items()
    else:
        with pytest.raises(ValidationError, match=said):
            OptimizerConfig.model_validate(DBA | keys)


@pytest.mark.parametrize("section", [Draw, Evaluation, TrainingConfig])
def test_one_of_two_and_not_both(section: type[BaseModel]) -> None:
    first, second = list(section.model_fields)[:2]
    choices = "fraction, per_class and indices" if section is Draw else "epochs and steps"
    assert section.model_validate({first: 1, second: None}) == section.model_validate({first: 1})
    for values in ({}, {first: 1, second: 1}, {first: None}):
        with pytest.raises(ValidationError, match=f"give exactly one of {choices}"):
            section.model_validate(values)


def test_defaults() -> None:
    assert OptimizerConfig.model_validate(DBA).arguments == {
        "base": OptimizerConfig.model_validate(DBA).base_optimizer,
        "rule": "prefix",
        "metric": "snr",
        "order": "alignment",
        "min_fraction": 0.25,
        "max_fraction": 1.0,
        "size": None,
        "sizes": None,
        "scope": "layer",
        "stratified": False,
        "remember": "distance",
        "memory": 0.7,
        "class_relative": True,
        "warmup_steps": 0,
        "tilt": 0.0,
        "upper_group": 0.0,
    }
    # torch.optim's own
    found = OptimizerConfig.model_validate(ADAM).arguments
    assert found == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}


@pytest.mark.parametrize(("values", "steps"), [({"epochs": 3}, 21), ({"steps": 5}, 5)])
def test_lengths_in_steps(values: dict[str, int], steps: int) -> None:
    assert TrainingConfig.model_validate(values).in_steps(7) == steps
    assert Evaluation.model_validate(values).in_steps(7) == steps


def test_sections_cannot_be_changed() -> None:
    config = OptimizerConfig.model_validate(SGD)
    with pytest.raises(ValidationError, match="frozen"):
        config.batch_size = 5  # type: ignore[misc]


def config_of(*optimizers: dict[str, Any], **sections: Any) -> Config:
    rest = {"experiment": {"name": "x"}, "data": DATA, "model": MLP, "training": ONE, "seeds": [0]}
    return Config.model_validate({**rest, "optimizers": list(optimizers), **sections})


def test_narrowing_to_one_run() -> None:
    entries = [{**SGD, "name": "a"}, {**SGD, "name": "b"}]
    config = config_of(*entries, seeds=[3, 4])
    run = config.narrowed("b", 4, "embedded")
    assert ([entry.name for entry in run.optimizers], run.seeds, run.data.source) == (["b"], [4], "embedded")
    changed = {"optimizers", "seeds", "data"}
    assert run.model_dump(exclude=changed) == config.model_dump(exclude=changed)
    assert run.data.draw == config.data.draw
    assert config == config_of(*entries, seeds=[3, 4])


def budget(*optimizers: dict[str, Any], **draw: Any) -> Config:
    training = {"epochs": 1, "batch_size": 1000, "step_budget": 100}
    return config_of(*optimizers, data={"draw": draw or {"fraction": 1.0}}, training=training)


@pytest.mark.parametrize(
    "entry",
    [
        {**SGD, "batch_size": 100},
        {**ADAM, "batch_size": 1},
        {**DBA, "size": 100},
        {**DBA, "min_fraction": 0.05, "max_fraction": 0.1},
        {**DBA, "batch_size": 100},
        {**DBA, "batch_size": 50, "size": 100},  # of fifty candidates it cannot take more
        {**DBA, "batch_size": 1004, "min_fraction": 0.05, "max_fraction": 0.1},  # 100.4, so 100
    ],
)
def test_within_the_step_budget(entry: dict[str, Any]) -> None:
    assert budget(entry).training.step_budget == 100


@pytest.mark.parametrize(
    ("entry", "used"),
    [
        (SGD, 1000),
        ({**SGD, "batch_size": 101}, 101),
        (DBA, 1000),
        ({**DBA, "size": 101}, 101),
        ({**DBA, "batch_size": 1010, "min_fraction": 0.05, "max_fraction": 0.1}, 101),
        ({**DBA, "batch_size": 102, "size": 200}, 102),
        ({**DBA, "rule": "all", "size": 5}, 1000),  # which keeps all, whatever the size
    ],
)
def test_above_the_step_budget(entry: dict[str, Any], used: int) -> None:
    with pytest.raises(ValidationError, match=f"optimizer a may use {used} images in a step, above .* 100;"):
        budget({**SGD, "name": "good", "batch_size": 100}, entry)


@pytest.mark.parametrize(
    "draw", [{"fraction": 0.01}, {"per_class": 10}, {"fraction": 1.0, "by": "facility_location"}]
)
def test_a_step_budget_is_of_every_training_image(draw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="step_budget needs every training image"):
        budget({**SGD, "batch_size": 1}, **draw)
