"""Which seeds are trained together."""

from itertools import pairwise
from typing import Any

import pytest
from torch import nn

from dba_cli.config import AdamConfig, DBAConfig, Deformation, SGDConfig, TrainingConfig
from dba_cli.training import Standardize, stack_sizes

SGD: Any = {"kind": "sgd", "lr": 0.2}
ENTRIES: dict[str, SGDConfig | AdamConfig | DBAConfig] = {
    "sgd": SGDConfig(name="sgd", **SGD),
    "adam": AdamConfig(name="adam", kind="adam"),
    "dba": DBAConfig(name="dba", kind="dba", base=SGD),
}


def sizes(
    entry: str | DBAConfig = "dba", model: nn.Module | None = None, seeds: int = 5, **training: Any
) -> list[int]:
    chosen = ENTRIES[entry] if isinstance(entry, str) else entry
    settings = TrainingConfig(epochs=1, **training)
    return stack_sizes(chosen, model or mlp(784, 100, 10), settings, seeds)


SINGLE = [1, 1, 1, 1, 1]


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize(
    ("entry", "seeds", "expected"),
    [
        ("sgd", 1, [1]),
        ("sgd", 4, [1, 1, 1, 1]),
        ("sgd", 7, [5, 1, 1]),
        ("adam", 5, SINGLE),
        ("dba", 1, [1]),
        ("dba", 2, [2]),
        ("dba", 6, [5, 1]),
        ("dba", 13, [5, 5, 3]),
    ],
)
def test_seeds_are_split_into_stacks_where_that_pays(entry: str, seeds: int, expected: list[int]) -> None:
    assert sizes(entry, mlp(784, 100, 10), seeds) == expected


def test_wide_networks_are_left_to_single_runs() -> None:
    assert sizes("sgd", mlp(784, 200, 10)) == [5]
    assert sizes("sgd", mlp(784, 400, 10)) == SINGLE
    assert sizes("dba", mlp(784, 800, 10)) == [5]
    assert sizes("dba", mlp(784, 1000, 10)) == SINGLE


@pytest.mark.parametrize(
    "training",
    [
        {"deformation": Deformation(rotation=10)},
        {"precision": "bfloat16"},
        {"trace": True},
        {"batch_size": 101},
    ],
)
def test_what_a_stack_cannot_do_is_left_to_single_runs(training: dict[str, Any]) -> None:
    assert sizes() == [5]
    assert sizes(**training) == SINGLE


@pytest.mark.parametrize("rule", ["random", "greedy", "gradmatch", "facility_location"])
def test_rules_that_draw_or_search_are_left_to_single_runs(rule: str) -> None:
    assert sizes(DBAConfig(name="x", kind="dba", base=SGD, rule=rule)) == SINGLE


def test_stratified_selection_is_left_to_single_runs() -> None:
    assert sizes(DBAConfig(name="x", kind="dba", base=SGD, stratified=True)) == SINGLE


def test_other_networks_are_left_to_single_runs() -> None:
    def first(module: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Flatten(), module, nn.Linear(4, 2))

    frozen = mlp(4, 4, 2)
    next(frozen.parameters()).requires_grad_(False)
    others = [
        nn.Linear(4, 2),
        nn.Sequential(nn.Linear(4, 2)),
        nn.Sequential(nn.Flatten()),
        first(nn.Conv2d(1, 4, 3)),
        first(nn.Linear(4, 4, bias=False)),
        first(nn.Sequential(nn.Linear(4, 4))),
        first(nn.ReLU()),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU()),
        first(nn.Dropout()),
        first(nn.BatchNorm1d(4)),
        frozen,
        mlp(4, 4, 2).to("meta"),
    ]
    assert sizes(model=mlp(4, 4, 2)) == [5]
    assert sizes(model=nn.Sequential(Standardize(0.1, 0.3), *mlp(4, 4, 2))) == [5]
    assert all(sizes(model=model) == SINGLE for model in others)
