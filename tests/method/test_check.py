"""Which rows are whose is proved; what contradicts autograd is refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.method import _tracing
from dba_cli.method._plan import find_plan

from .exactness import assert_exact

N = 6


def centred(model: nn.Module, x: Tensor) -> Tensor:
    h = model[0](x)
    return model[1](h - h.mean(0)).square().sum(1)


def contrastive(model: nn.Module, x: Tensor) -> Tensor:
    h = model[1](model[0](x).tanh())
    return (h @ h.T).logsumexp(1)


def weight_reused(model: nn.Module, x: Tensor) -> Tensor:
    h = model[0](x).tanh()
    return (model[1](h) @ model[1].weight).square().sum(1)


def weight_decayed(model: nn.Module, x: Tensor) -> Tensor:
    return model[1](model[0](x).tanh()).square().sum(1) + model[0].weight.square().sum()


def samples_second(model: nn.Module, x: Tensor) -> Tensor:
    sequences = x.view(N, 1, 4).expand(-1, N, -1) * torch.rand(1, N, 1)
    return model[1](model[0](sequences).tanh()).square().sum((0, 2))


@pytest.mark.parametrize("losses", [centred, contrastive, weight_reused, weight_decayed, samples_second])
def test_no_premise_about_layouts_or_uses(losses: Callable[[nn.Module, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).double()
    x = torch.randn(N, 4, dtype=torch.float64)
    assert_exact(model, lambda m: losses(m, x))


@pytest.mark.parametrize("positions", [5, N])
def test_positions_are_not_taken_for_samples(positions: int) -> None:
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Embedding(positions, 4), nn.Linear(4, 2)]).double()
    x = torch.randn(N, positions, 4, dtype=torch.float64)
    assert_exact(model, lambda m: m[1](x + m[0](torch.arange(positions))).square().sum((1, 2)))


class Faulty(torch.autograd.Function):
    """The identity with a gradient that is wrong in one row, as a sampler's might be."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.abs()


def test_gradients_that_do_not_add_up_are_refused_by_name() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 4)
    with pytest.raises(RuntimeError, match="module '': the per-sample gradients do not add up"):
        DynamicBatch(model).backward(Faulty.apply(model(torch.randn(N, 4))).square().sum(1))
    assert model.weight.grad is None


@pytest.mark.parametrize(
    ("check", "expected"), [(0, [1, 0, 0, 0, 0, 1]), (1, [1] * 6), (3, [1, 0, 0, 1, 0, 1])]
)
def test_when_it_is_proved(monkeypatch: pytest.MonkeyPatch, check: int, expected: list[int]) -> None:
    proofs = []
    monkeypatch.setattr(_tracing, "find_plan", lambda *args: proofs.append(1) or find_plan(*args))
    model = nn.Linear(4, 4)
    dba = DynamicBatch(model, check=check)
    found = []
    for n in (N, N, N, N, N, N + 1):
        dba.backward(model(torch.randn(n, 4)).square().sum(1))
        found.append(len(proofs))
        proofs.clear()
    assert found == expected


@pytest.mark.parametrize(
    ("picked", "expected"), [("rows of a parameter", [1, 0, 0]), ("rows of samples", [1, 1, 1])]
)
def test_indices_that_pick_samples_are_part_of_the_form(
    monkeypatch: pytest.MonkeyPatch, picked: str, expected: list[int]
) -> None:
    torch.manual_seed(0)
    proofs = []
    monkeypatch.setattr(_tracing, "find_plan", lambda *args: proofs.append(1) or find_plan(*args))
    model = nn.ParameterDict({"table": torch.randn(11, 4), "matrix": torch.randn(4, 3)})
    dba = DynamicBatch(model, rule="all", check=0)
    found = []
    for _ in range(3):
        rows = model["table"][torch.randint(0, 11, (N, 5))] if "param" in picked else torch.randn(N, 5, 4)
        order = torch.randperm(N)
        h = (rows.mean(1) @ model["matrix"]).tanh()
        h = h if "param" in picked else h[order]
        losses = h.square().sum(1)
        dba.backward(losses, retain_graph=True)
        ours = [p.grad.clone() for p in model.values() if p.grad is not None]
        model.zero_grad()
        losses.mean().backward()
        for one, other in zip(ours, [p.grad for p in model.values() if p.grad is not None], strict=True):
            torch.testing.assert_close(one, other)
        model.zero_grad()
        found.append(len(proofs))
        proofs.clear()
    assert found == expected


def test_a_parameter_that_none_of_the_samples_gradients_holds_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forgetful(*args: Any) -> Any:
        plan, found = find_plan(*args)
        return replace(plan, sites=plan.sites[:1]), found

    monkeypatch.setattr(_tracing, "find_plan", forgetful)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    with pytest.raises(RuntimeError, match=r"parameter '0\.\w+' has a gradient in autograd, and none"):
        DynamicBatch(model).backward(model(torch.randn(N, 4)).square().sum(1))
    assert all(p.grad is None for p in model.parameters())


def test_the_check_draws_no_random_number() -> None:
    model = nn.Linear(3, 2)
    dba = DynamicBatch(model)
    losses = model(torch.randn(5, 3)).square().sum(1)
    before = torch.get_rng_state()
    dba.backward(losses)
    assert torch.equal(before, torch.get_rng_state())


def test_a_gradient_that_is_zero_but_for_rounding_passes() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 9), nn.LayerNorm(9))
    model[1].weight.requires_grad_(False)
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(9))

    def losses(x: Tensor) -> Tensor:
        h = model[0](x)
        shift = model[1](torch.zeros_like(h)).sum(1, keepdim=True)  # the normalization takes it out again
        return model[2](h + shift).tanh().square().sum(1)

    dba = DynamicBatch(model)
    dba.backward(losses(torch.randn(N, 4)))
    assert model[1].bias.grad.norm() < 1e-5
