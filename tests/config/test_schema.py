"""Bounds at their edges, defaults, and what the sections compute."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from dba_cli.config import (
    AdamConfig,
    Checkpoint,
    CNNConfig,
    Config,
    DataConfig,
    DBAConfig,
    Deformation,
    Draw,
    Evaluation,
    MLPConfig,
    PaperFigures,
    ScheduleConfig,
    SGDConfig,
    TrainingConfig,
)

MLP, CNN = {"kind": "mlp"}, {"kind": "cnn"}
SGD = {"name": "a", "kind": "sgd", "lr": 0.1}
ADAM = {"name": "a", "kind": "adam"}
DBA = {"name": "a", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}}
DATA = {"draw": {"per_class": 1}}
TINY = 5e-324
INF, NAN = float("inf"), float("nan")
BELOW_1 = 1 - 2**-53


@pytest.mark.parametrize(
    ("section", "rest", "key", "good", "bad"),
    [
        (Draw, {}, "fraction", [TINY, 0.01, 1, 1.0], [0, 0.0, -0.1, 1 + 2**-52, 2, INF, NAN, "1", True]),
        (Draw, {}, "per_class", [1, 7000], [0, -1, 7001, 1.0, "1", True]),
        (
            MLPConfig,
            {"kind": "mlp"},
            "hidden",
            [[1], [100_000] * 20],
            [[], [0], [100_001], [1] * 21, [1.0], (1,), 1],
        ),
        (
            MLPConfig,
            {"kind": "mlp"},
            "activation",
            ["relu", "tanh", "sigmoid", "gelu", "silu"],
            ["ReLU", "", None],
        ),
        (CNNConfig, CNN, "channels", [[1], [1024] * 4], [[], [0], [1025], [1] * 5]),
        (ScheduleConfig, {}, "kind", ["constant", "cosine", "linear"], ["step", None]),
        (ScheduleConfig, {}, "warmup_steps", [0, 10_000_000], [-1, 10_000_001, 0.0, None]),
        (TrainingConfig, {}, "epochs", [1, 1_000_000], [0, 1_000_001, 1.0, "1"]),
        (TrainingConfig, {}, "steps", [1, 100_000_000], [0, 100_000_001]),
        (TrainingConfig, {"epochs": 1}, "batch_size", [1, 60_000], [0, 60_001, None]),
        (TrainingConfig, {"epochs": 1}, "step_budget", [None, 1, 60_000], [0, 60_001, 1.0]),
        (TrainingConfig, {"epochs": 1}, "label_smoothing", [0, BELOW_1], [-TINY, 1, NAN, None]),
        (TrainingConfig, {"epochs": 1}, "precision", ["float32", "bfloat16"], ["float16", "bf16", 16, None]),
        (TrainingConfig, {"epochs": 1}, "trace", [True, False], [1, "true", None]),
        (Checkpoint, {}, "steps", [1, 100_000_000], [0, 100_000_001, 1.0]),
        (Checkpoint, {}, "seconds", [TINY, 1, 1_000_000], [0, -1, 1_000_001, INF, NAN, "60"]),
        (Evaluation, {}, "steps", [1], [0]),
        (Evaluation, {"steps": 1}, "copies", [0, 1000], [-1, 1001, 1.0, None]),
        (Draw, {"per_class": 1}, "by", ["random", "facility_location"], ["k-centre", "", None]),
        (DataConfig, DATA, "preprocessing", ["none", "deskew"], ["straighten", None, False]),
        (DataConfig, DATA, "standardize", [True, False], [1, "yes", None]),
        (DataConfig, DATA, "evaluate_on", ["test", "validation"], ["train", None]),
        (Deformation, {}, "rotation", [0, 180], [-TINY, 180.1, INF, NAN, "1"]),
        (Deformation, {}, "scale", [0, BELOW_1], [-TINY, 1, NAN]),
        (Deformation, {}, "aspect", [0, BELOW_1], [-TINY, 1, NAN]),
        (Deformation, {}, "shear", [0, 1], [-TINY, 1.1, NAN]),
        (Deformation, {}, "translation", [0, 14], [-TINY, 14.1, NAN]),
        (Deformation, {}, "elastic", [0, 14], [-TINY, 14.1, NAN]),
        (Deformation, {}, "elastic_sigma", [TINY, 14], [0, 14.1, NAN]),
        (Deformation, {}, "thickness", [0, 2], [-TINY, 2.1, NAN]),
        (SGDConfig, SGD, "batch_size", [None, 1, 60_000], [0, 60_001, 1.0]),
        (AdamConfig, ADAM, "batch_size", [None, 1, 60_000], [0, 60_001, 1.0]),
        (DBAConfig, DBA, "batch_size", [None, 1, 60_000], [0, 60_001, 1.0]),
        (SGDConfig, SGD, "lr", [TINY, 1000], [0, -1, 1000.1, INF, NAN, None]),
        (SGDConfig, SGD, "momentum", [0, BELOW_1], [-TINY, 1, NAN]),
        (SGDConfig, SGD, "weight_decay", [0, BELOW_1], [-TINY, 1, NAN]),
        (
            SGDConfig,
            SGD,
            "name",
            ["a", "A-1_.b", "x" * 100],
            ["", ".a", "-a", "a b", "a/", "é", "a\n", "x" * 101],
        ),
        (
            AdamConfig,
            ADAM,
            "betas",
            [[0, 0], [BELOW_1, 0.5]],
            [[0.9], [0.9] * 3, [1, 0], [0, -0.1], [NAN, 0], 0],
        ),
        (AdamConfig, ADAM, "eps", [TINY, 1], [0, 1.1, INF, NAN]),
        (DBAConfig, DBA, "min_fraction", [TINY, 1], [0, 1.1, NAN]),
        (DBAConfig, DBA, "max_fraction", [0.25, 1], [0, 1.1, NAN]),
        (DBAConfig, DBA, "size", [None, 1, 60_000], [0, 60_001, 5.0]),
        (DBAConfig, DBA, "stratified", [True, False], [0, "true", None]),
        (DBAConfig, DBA, "scope", ["layer", "model"], ["batch"]),
        (DBAConfig, DBA, "metric", ["snr", "variance", "norm", "diversity", "noise_scale"], ["SNR", "", 1]),
        (DBAConfig, DBA, "order", ["alignment", "projection", "norm", "distance"], ["up", None]),
        (DBAConfig, DBA, "rule", ["prefix", "random", "all"], ["best", None]),
        (PaperFigures, {"error_reduction": 0}, "test_accuracy", [0, 100], [-0.1, 100.1, NAN]),
        (PaperFigures, {"test_accuracy": 0}, "error_reduction", [0, 100], [-0.1, 100.1, NAN]),
    ],
)
def test_bounds(
    section: type[BaseModel], rest: dict[str, Any], key: str, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        assert getattr(section.model_validate({**rest, key: value}), key) == value
    for value in bad:
        with pytest.raises(ValidationError) as caught:
            section.model_validate({**rest, key: value})
        assert caught.value.errors()[0]["loc"][0] == key


@pytest.mark.parametrize("section", [Draw, Evaluation, TrainingConfig])
def test_one_of_two_and_not_both(section: type[BaseModel]) -> None:
    first, second = list(section.model_fields)[:2]
    assert section.model_validate({first: 1, second: None}) == section.model_validate({first: 1})
    for values in ({}, {first: 1, second: 1}, {first: None}):
        with pytest.raises(ValidationError, match=f"give exactly one of {first} and {second}"):
            section.model_validate(values)


def test_defaults() -> None:
    assert DBAConfig.model_validate(DBA).model_dump(exclude={"base"}) == {
        "name": "a",
        "kind": "dba",
        "rule": "prefix",
        "metric": "snr",
        "order": "alignment",
        "min_fraction": 0.25,
        "max_fraction": 1.0,
        "size": None,
        "scope": "layer",
        "stratified": False,
        "batch_size": None,
    }
    # torch.optim's own
    assert AdamConfig.model_validate(ADAM).model_dump() == {
        "name": "a",
        "kind": "adam",
        "lr": 1e-3,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.0,
        "batch_size": None,
    }


@pytest.mark.parametrize(("values", "steps"), [({"epochs": 3}, 21), ({"steps": 5}, 5)])
def test_lengths_in_steps(values: dict[str, int], steps: int) -> None:
    assert TrainingConfig.model_validate(values).in_steps(7) == steps
    assert Evaluation.model_validate(values).in_steps(7) == steps


def test_sections_cannot_be_changed() -> None:
    config = SGDConfig.model_validate(SGD)
    with pytest.raises(ValidationError, match="frozen"):
        config.lr = 5


def config_of(names: list[str], seeds: list[int]) -> Config:
    return Config.model_validate(
        {
            "experiment": {"name": "x"},
            "data": {"draw": {"per_class": 1}},
            "model": {"kind": "mlp"},
            "training": {"epochs": 1},
            "optimizers": [{**SGD, "name": name} for name in names],
            "seeds": seeds,
        }
    )


def test_narrowing_to_one_run() -> None:
    config = config_of(["a", "b"], [3, 4])
    run = config.narrowed("b", 4, "embedded")
    assert ([entry.name for entry in run.optimizers], run.seeds, run.data.source) == (["b"], [4], "embedded")
    assert (run.experiment, run.data.draw, run.model, run.training) == (
        config.experiment,
        config.data.draw,
        config.model,
        config.training,
    )
    assert config == config_of(["a", "b"], [3, 4])


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b", "A"]])
def test_optimizer_names_that_would_share_a_folder(names: list[str]) -> None:
    with pytest.raises(ValidationError, match="optimizer names must be distinct, got a more than once"):
        config_of(names, [0])


def test_seeds_repeated() -> None:
    with pytest.raises(ValidationError, match="seeds must be distinct, got 7 more than once"):
        config_of(["a"], [0, 7, 1, 7])


def budget(
    *optimizers: dict[str, Any], draw: dict[str, Any] | None = None, batch_size: int = 1000, budget: int = 100
) -> Config:
    return Config.model_validate(
        {
            "experiment": {"name": "x"},
            "data": {"draw": draw or {"fraction": 1.0}},
            "model": {"kind": "mlp"},
            "training": {"epochs": 1, "batch_size": batch_size, "step_budget": budget},
            "optimizers": list(optimizers),
            "seeds": [0],
        }
    )


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
        budget({**SGD, "batch_size": 1}, draw=draw)
