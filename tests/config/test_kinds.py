"""The keys of a kind are the parameters of the function or class that it names."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from dba_cli.config import ModelConfig, OptimizerConfig

MODULE = """
from __future__ import annotations

import torch


def typed(image_shape, generator, width: int, depth: int = None, pair: tuple[int, float] = (1, 2.0),
          rates: list[float] = (0.5,), scale: float | torch.Tensor = 1, layer=torch.nn.ReLU, copy: str = "x"):
    pass


def untyped(classes: Nowhere, width=3, share=0.5, on=False, word="a", anything=None):
    pass


def passed_on(units: int = 2, *others, **rest):
    pass


def taken(kind="x"):
    pass


def hidden(_units=2):
    pass


class Bare(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kinds_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def section(name: str, **keys: Any) -> ModelConfig:
    return ModelConfig.model_validate({"kind": f"kinds_of_mine:{name}", **keys})


@pytest.mark.parametrize(
    ("name", "keys", "arguments"),
    [
        (
            "typed",
            {"width": 3},
            {"width": 3, "depth": None, "pair": (1, 2.0), "rates": (0.5,), "scale": 1, "copy": "x"},
        ),
        (
            "typed",
            {"width": 3, "depth": 2, "pair": [3, 0.5], "rates": [1, 2.5], "scale": 0.25, "copy": "y"},
            {"width": 3, "depth": 2, "pair": (3, 0.5), "rates": (1, 2.5), "scale": 0.25, "copy": "y"},
        ),
        (
            "untyped",
            {"width": 2.5, "anything": [{"a": 1}]},
            {"width": 2.5, "share": 0.5, "on": False, "word": "a", "anything": [{"a": 1}]},
        ),
        ("passed_on", {"more": "x"}, {"units": 2, "more": "x"}),
    ],
)
def test_arguments(name: str, keys: dict[str, Any], arguments: dict[str, Any]) -> None:
    found = section(name, **keys)
    assert found.arguments == arguments
    assert pickle.loads(pickle.dumps(found)) == found
    assert ModelConfig.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("name", "keys", "place"),
    [
        ("typed", {}, ("width",)),
        ("typed", {"width": "3"}, ("width",)),
        ("typed", {"width": 3, "depth": 1.5}, ("depth",)),
        ("typed", {"width": 3, "pair": [1]}, ("pair", 1)),
        ("typed", {"width": 3, "rates": [1, "x"]}, ("rates", 1)),
        ("typed", {"width": 3, "layer": "Tanh"}, ("layer",)),  # a default that YAML cannot hold is no key
        ("typed", {"width": 3, "image_shape": [1, 2, 3]}, ("image_shape",)),  # the program gives it
        ("untyped", {"on": 1}, ("on",)),
        ("untyped", {"share": "x"}, ("share",)),
        ("passed_on", {"units": "x"}, ("units",)),
        ("taken", {}, ("kind",)),
        ("hidden", {}, ("kind",)),
        ("missing", {}, ("kind",)),
    ],
)
def test_what_is_refused(name: str, keys: dict[str, Any], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        section(name, **keys)
    assert caught.value.errors()[0]["loc"] == place


@pytest.mark.parametrize(
    "kind",
    [name for name, each in vars(torch.optim).items() if isinstance(each, type) and name[0].isupper()],
)
def test_every_optimizer_of_torch_trains_or_says_why_not(kind: str) -> None:
    if kind in {"LBFGS", "Optimizer", "SparseAdam"}:
        with pytest.raises(ValidationError, match=r"closure|unknown kind|sparse"):
            OptimizerConfig.model_validate({"name": "a", "kind": kind})
        return
    weight = torch.nn.Parameter(torch.ones(2, 2))
    entry = OptimizerConfig.model_validate(
        {"name": "a", "kind": "dba", "base": {"kind": kind, "lr": 0.5, "weight_decay": 0}}
        if kind != "Rprop"
        else {"name": "a", "kind": "Rprop", "lr": 0.5}
    )
    optimizer = entry.base_optimizer.build([weight])
    assert type(optimizer) is getattr(torch.optim, kind)
    (weight * torch.tensor([[1.0, 2.0], [3.0, 5.0]])).sum().backward()
    optimizer.step()
    assert not torch.equal(weight, torch.ones(2, 2))


def test_an_optimizer_without_a_learning_rate_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"makes no torch\.optim\.Optimizer with a learning rate"):
        OptimizerConfig.model_validate({"name": "a", "kind": "kinds_of_mine:Bare"})
