"""What a rule does not ask for is not computed, and what it asks for is the same by every way."""

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch, Selection
from dba_cli.method import Explicit, OuterProducts, SelectionProblem, register_rule

from . import reference
from .problems import gradients_of, problem_of

WAYS = ["write_gram", "square_norms", "projections"]
GRAM, OTHERS = WAYS[:1], WAYS[1:]


def losses_of(model: nn.Module, n: int) -> Tensor:
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    return model(x).square().sum(1)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 3)).double()


def step(n: int = 40, **settings: object) -> Selection:
    model, labels = network(), torch.arange(n) % 3
    generator = torch.Generator().manual_seed(1)
    dba = DynamicBatch(model, check="never", generator=generator, **settings)
    return dba.backward(losses_of(model, n), labels=labels)


@pytest.mark.parametrize(
    ("settings", "forbidden"),
    [
        ({"rule": "all"}, WAYS),
        ({"rule": "largest_loss"}, WAYS),
        ({"rule": "smallest_loss", "stratified": True}, WAYS),
        ({"rule": "random", "size": 7}, WAYS),
        ({"rule": "random", "size": 7, "scope": "model"}, WAYS),
        ({"rule": "random", "size": 9, "stratified": True}, WAYS),
        ({"rule": "top_k", "size": 7, "order": "distance"}, GRAM),
        ({"rule": "top_k", "size": 7, "scope": "model"}, GRAM),
        ({"rule": "top_k", "size": 9, "stratified": True}, GRAM),
        ({"rule": "prefix", "size": 7, "order": "projection"}, GRAM),
        ({"rule": "prefix"}, OTHERS),
        ({"rule": "prefix", "stratified": True}, OTHERS),
        ({"rule": "greedy"}, OTHERS),
        ({"rule": "facility_location"}, OTHERS),
        ({"rule": "gradmatch"}, OTHERS),
    ],
)
def test_what_a_rule_does_not_ask_for_is_not_made(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], forbidden: list[str]
) -> None:
    def refused(*args: object) -> None:
        raise AssertionError("not asked for")

    expected = step(**settings)
    for name in forbidden:
        for kind in (OuterProducts, Explicit):
            monkeypatch.setattr(kind, name, refused)
    for name, weights in step(**settings).weights.items():
        assert torch.equal(expected.weights[name], weights)


@pytest.mark.parametrize("scope", ["layer", "model"])
@pytest.mark.parametrize("n", [3, 40])  # through the Gram matrix, and without
@pytest.mark.parametrize("order", ["alignment", "distance"])
def test_top_k_and_its_metric_by_definition(scope: str, n: int, order: str) -> None:
    selection = step(n, rule="top_k", order=order, size=2, scope=scope)
    model = network()
    losses = losses_of(model, n)
    own = {
        name: reference.flat(reference.sample_gradients(lambda: losses, model[int(name)].parameters()))
        for name in selection.weights
    }
    whole = torch.cat(list(own.values()), 1)
    for name, gradients in own.items():
        judged = gradients if scope == "layer" else whole
        weights = reference.equal_weights(reference.sorted_samples(order, judged)[:2], n)
        torch.testing.assert_close(selection.weights[name], weights)
        before = reference.metric("snr", judged, torch.full((n,), 1 / n, dtype=torch.float64))
        assert selection.metric_before[name] == pytest.approx(before, rel=1e-9)
        after = reference.metric("snr", judged, weights)
        assert selection.metric_after[name] == pytest.approx(after, rel=1e-9)


@register_rule("tests-norms-only")
def norms_only(problem: SelectionProblem) -> Tensor:
    return problem.square_norms / problem.square_norms.sum(-1, keepdim=True)


def test_a_metric_that_the_rule_left_unknown_says_so() -> None:
    selection = step(rule="random", size=5)
    assert selection.sizes == {"0": 5, "2": 5, "3": 5}
    for value in ("metric_before", "metric_after"):
        with pytest.raises(ValueError, match="did without the gradient norms"):
            getattr(selection, value)
    selection = step(rule="tests-norms-only")
    assert selection.metric_after.keys() == {"0", "2", "3"}
    with pytest.raises(ValueError, match="did without"):
        _ = selection.metric_before


@pytest.mark.parametrize("asked", [[], ["gram"], ["projections", "gram"]])
def test_a_part_has_the_samples_of_the_whole(asked: list[str]) -> None:
    gradients = gradients_of(9, 2)
    problem = problem_of(gradients, labels=torch.arange(9))
    members = torch.tensor([7, 2, 3])
    part = problem.restricted(members, problem.limits)
    for name in asked:
        getattr(part, name)
    some = gradients[:, members]
    torch.testing.assert_close(part.projections, (some @ gradients.mean(1).unsqueeze(-1)).squeeze(-1))
    torch.testing.assert_close(part.square_norms, some.square().sum(-1))
    torch.testing.assert_close(part.gram, some @ some.mT)
    assert part.losses.tolist() == part.labels.tolist() == [7, 2, 3]
    assert part.shape == (2, 3)


@pytest.mark.parametrize("rule", ["all", "random", "top_k", "prefix", "tests-norms-only"])
def test_gradients_that_overflow_are_refused_by_every_rule(rule: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    dba = DynamicBatch(model, rule=rule, size=30, check="never")
    losses = model(torch.randn(60, 2)).sum(1) * 1e30
    with pytest.raises(ValueError, match=r"module '0' is not finite or overflows"):
        dba.backward(losses)
    assert all(p.grad is None for p in model.parameters())
