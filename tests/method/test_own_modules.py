"""Tables of things, and a sampler of one's own; whole runs with things of one's own are in test_places."""

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.method import (
    Call,
    OuterProducts,
    register_metric,
    register_order,
    register_rule,
    register_sampler,
    trainable,
)

from .exactness import assert_exact


class Scores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T


def test_own_sampler() -> None:
    calls = []

    @register_sampler(Scores)
    def scores(call: Call, gradient: Tensor) -> OuterProducts:
        calls.append((call.input.shape, gradient.shape))
        weight = trainable(call.module.weight)
        return OuterProducts(gradient.unsqueeze(1), call.input.unsqueeze(1), weight, None)

    model = nn.Sequential(Scores(), nn.Linear(3, 2)).double()
    x = torch.randn(12, 4, dtype=torch.float64)
    assert_exact(model, lambda m: m(x).square().sum(1))
    assert calls == [((12, 4), (12, 3))]


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
