from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli.config import DBAConfig, OptimizerConfig
from dba_cli.method import NonFiniteError
from dba_cli.training import _trainer as module
from dba_cli.training import gradient_rule

N = 12


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


X = torch.randn(N, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(N) % 3


def losses_of(model: nn.Module) -> Tensor:
    return F.cross_entropy(model(X), Y, reduction="none")


def gradients(model: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def expected_mean_gradients() -> list[Tensor]:
    """One sample at a time, in the order of the parameters."""
    model = network()
    rows = [torch.autograd.grad(loss, model.parameters(), retain_graph=True) for loss in losses_of(model)]
    return [torch.stack(samples).mean(0) for samples in zip(*rows, strict=True)]


def dba(**keys: Any) -> DBAConfig:
    return DBAConfig.model_validate({"name": "x", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}, **keys})


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["sgd", "adam", "AdamW"])
def test_plain_optimizers_have_no_rule_of_their_own(kind: str) -> None:
    entry = OptimizerConfig.model_validate({"name": "x", "kind": kind, "lr": 0.1})
    assert gradient_rule(entry, network(), seeded()) is None


def test_all_gives_the_mean_of_the_per_sample_gradients() -> None:
    model = network()
    selection = gradient_rule(dba(rule="all"), model, seeded()).backward(losses_of(model), labels=Y)
    assert selection.sizes == {"0": N, "2": N}
    for ours, theirs in zip(gradients(model), expected_mean_gradients(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("scope", ["layer", "model"])
def test_the_sizes_are_those_of_the_selection(scope: str) -> None:
    model = network()
    rule = gradient_rule(dba(rule="top_k", min_fraction=0.25, scope=scope), model, seeded())
    assert rule.backward(losses_of(model), labels=Y).sizes == {"0": 3, "2": 3}


def test_a_stratified_entry_keeps_the_balance_of_the_labels() -> None:
    model = network()
    rule = gradient_rule(dba(rule="random", size=6, stratified=True), model, seeded())
    assert rule.backward(losses_of(model), labels=Y).sizes == {"0": 6, "2": 6}
    with pytest.raises(ValueError, match="labels"):
        rule.backward(losses_of(model), labels=Y[:3])


def test_every_key_of_an_entry_reaches_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    real = module.DynamicBatch
    monkeypatch.setattr(
        module, "DynamicBatch", lambda model, **keys: given.append((model, keys)) or real(model, **keys)
    )
    model, generator = network(), seeded()
    keys = {"rule": "greedy", "metric": "norm", "order": "distance", "min_fraction": 0.4, "scope": "model"}
    keys |= {"max_fraction": 0.9, "size": 5, "sizes": None, "stratified": True, "remember": "loss"}
    keys |= {"memory": 0.5, "class_relative": False, "warmup_steps": 3, "tilt": -0.5, "upper_group": 0.1}
    gradient_rule(dba(**keys), model, generator)
    assert given == [(model, {**keys, "generator": generator})]


def test_random_subsets_come_from_the_generator_alone() -> None:
    def made(seed: int, global_seed: int) -> list[list[float]]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            before = torch.get_rng_state()
            model = network()
            gradient_rule(dba(rule="random"), model, seeded(seed)).backward(losses_of(model), labels=Y)
            assert torch.equal(torch.get_rng_state(), before)
            return [gradient.flatten().tolist() for gradient in gradients(model)]

    assert made(0, global_seed=0) == made(0, global_seed=1)
    assert made(0, global_seed=0) != made(1, global_seed=0)


def test_gradients_that_overflow_under_finite_losses_are_a_divergence() -> None:
    model = nn.Sequential(nn.Linear(1, 2, bias=False))
    nn.init.zeros_(model[0].weight)
    rule = gradient_rule(dba(), model, seeded())
    x, y = torch.full((4, 1), 1e25), torch.zeros(4, dtype=torch.long)
    losses = F.cross_entropy(model(x), y, reduction="none")
    # A gradient of 5e24 is within float32 and its square is not.
    assert losses.isfinite().all()
    with pytest.raises(NonFiniteError, match=r"module '0' is not finite or overflows"):
        rule.backward(losses, labels=y)


def test_a_fault_of_the_program_does_not_pass_for_a_divergence() -> None:
    model = network()
    rule = gradient_rule(dba(), model, seeded())
    with pytest.raises(ValueError, match="losses have no graph"):
        rule.backward(losses_of(model).detach(), labels=Y)
