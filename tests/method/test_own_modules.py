"""A metric, an order, a rule, a peer by loss, a layer's sampler: one file outside the package each."""

from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from dba_cli import DynamicBatch
from dba_cli.method import (
    register_metric,
    register_order,
    register_rule,
    register_sampler,
)

from .exactness import assert_exact

N = 12
METRIC = """
from dba_cli import register_metric

@register_metric("smallest_mean", larger_is_better=False)
def smallest_mean(s):
    return s.square_norm_mean
"""
ORDER = """
from dba_cli import register_order

@register_order("last_first")
def last_first(square_norms, projections):
    return square_norms.cumsum(-1)
"""
RULE = """
from dba_cli import register_rule

@register_rule("two_smallest_projections")
def two_smallest(problem):
    return problem.first(2, problem.projections.argsort(-1).argsort(-1))
"""
SAMPLER = """
import torch
from torch import nn

from dba_cli import register_sampler
from dba_cli.method import OuterProducts, trainable

calls = []

class Scores(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))

    def forward(self, x):
        return x @ self.weight.T

@register_sampler(Scores)
def scores(call, gradient):
    calls.append((call.input.shape, gradient.shape))
    return OuterProducts(gradient.unsqueeze(1), call.input.unsqueeze(1), trainable(call.module.weight), None)
"""


@pytest.mark.parametrize(
    ("module", "text", "settings", "expected"),
    [
        ("own_metric", METRIC, {"metric": "own_metric:smallest_mean", "order": "norm"}, list(range(N))),
        ("own_order", ORDER, {"order": "own_order:last_first", "rule": "top_k"}, [9, 10, 11]),
        ("own_rule", RULE, {"rule": "own_rule:two_smallest_projections"}, [0, 1]),
    ],
)
def test_own_entry(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    text: str,
    settings: dict[str, str],
    expected: list[int],
) -> None:
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    model = nn.Linear(1, 1, bias=False)
    dba = DynamicBatch(model, min_fraction=0.25, **settings)
    selection = dba.backward(model(torch.arange(1.0, N + 1).view(N, 1)).squeeze(1))  # gradients 1 to 12
    assert selection.weights[""].nonzero().flatten().tolist() == expected


def test_own_sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_layer.py").write_text(SAMPLER)
    monkeypatch.syspath_prepend(tmp_path)
    own = import_module("own_layer")
    model = nn.Sequential(own.Scores(), nn.Linear(3, 2)).double()
    x = torch.randn(N, 4, dtype=torch.float64)
    assert_exact(model, lambda m: m(x).square().sum(1))
    assert own.calls == [((N, 4), (N, 3))]


def test_a_name_or_a_type_can_be_registered_once() -> None:
    with pytest.raises(ValueError, match="'snr' is already registered"):
        register_metric("snr", larger_is_better=True)(lambda s: s.size)
    with pytest.raises(ValueError, match="'norm' is already registered"):
        register_order("norm")(lambda square_norms, projections: square_norms)
    with pytest.raises(ValueError, match="colon"):
        register_rule("a:b")(lambda problem: problem.projections)
    with pytest.raises(ValueError, match="Linear has a sampler already"):
        register_sampler(nn.Linear)(lambda call, gradient: None)


def test_a_module_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"no_such_module.*cannot be imported"):
        DynamicBatch(nn.Linear(1, 1), metric="no_such_module:mine")
