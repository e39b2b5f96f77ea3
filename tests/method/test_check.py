"""Networks on which per-sample gradients mean nothing are found out in the first step."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch

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
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_broken_premise_is_refused_by_name(
    losses: Callable[[nn.Module, Tensor], Tensor], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).to(dtype)
    dba = DynamicBatch(model)
    with pytest.raises(RuntimeError, match=r"module '[01]': the per-sample gradients do not add up"):
        dba.backward(losses(model, torch.randn(N, 4, dtype=dtype)))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (5, rf"module '0' \(Embedding\) gave an output of shape \(5, 4\) for {N} losses"),
        (N, "module '0': the per-sample gradients do not add up"),
    ],
)
def test_positions_are_not_taken_for_samples(positions: int, message: str) -> None:
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Embedding(positions, 4), nn.Linear(4, 2)])
    dba = DynamicBatch(model)
    x = torch.randn(N, positions, 4) + model[0](torch.arange(positions))
    with pytest.raises(RuntimeError, match=message):
        dba.backward(model[1](x).square().sum((1, 2)))


@pytest.mark.parametrize(("check", "refused"), [("first", False), ("always", True), ("never", False)])
def test_when_it_is_checked(check: str, refused: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    dba = DynamicBatch(model, check=check)
    x = torch.randn(N, 4)
    dba.backward(model(x).square().sum(1))
    if refused:
        with pytest.raises(RuntimeError, match="do not add up"):
            dba.backward(contrastive(model, x))
    else:
        dba.backward(contrastive(model, x))


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
