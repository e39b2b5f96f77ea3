"""Tables of things, and a sampler of one's own; whole runs with things of one's own are in test_places."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.method import (
    OuterProducts,
    Use,
    register_metric,
    register_order,
    register_rule,
    register_sampler,
)

from .exactness import assert_exact


class OwnProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, name: str, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return None, gradient @ weight, gradient.T @ x


class Scores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        return OwnProduct.apply("scores", x, self.weight)


def test_a_function_with_its_own_backward_needs_no_sampler_but_may_have_one() -> None:
    model = nn.Sequential(Scores(), nn.Linear(3, 2)).double()
    x = torch.randn(12, 4, dtype=torch.float64)
    assert_exact(model, lambda m: m(x).square().sum(1))
    shapes = []

    @register_sampler("OwnProductBackward", saved=("saved_tensors",))
    def scores(use: Use) -> list[OuterProducts]:
        x, _ = use.saved["saved_tensors"]
        shapes.append((x.shape, use.gradient.shape))
        return [OuterProducts(use.split(use.gradient), use.split(x), use.parameters[1].tensor, None)]

    assert_exact(model, lambda m: m(x).square().sum(1))
    assert shapes == [((12, 4), (12, 3))]


def test_a_name_or_a_type_can_be_registered_once() -> None:
    with pytest.raises(ValueError, match="'snr' is already registered"):
        register_metric("snr", larger_is_better=True)(lambda s: s.size)
    with pytest.raises(ValueError, match="'norm' is already registered"):
        register_order("norm")(lambda square_norms, projections: square_norms)
    with pytest.raises(ValueError, match="colon"):
        register_rule("a:b")(lambda problem: problem.projections)
    with pytest.raises(ValueError, match="AddmmBackward0 has a sampler already"):
        register_sampler("AddmmBackward0")(lambda use: [])


def test_a_module_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"no_such_module.*cannot be imported"):
        DynamicBatch(nn.Linear(1, 1), metric="no_such_module:mine")
