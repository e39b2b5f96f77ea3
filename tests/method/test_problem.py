"""What a rule does not ask for is not computed, and what it asks for is the same by every way."""

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch, Selection
from dba_cli.method import Explicit, OuterProducts, SelectionProblem, register_rule

from .problems import gradients_of, losses_of, mlp, problem_of

WAYS = ["write_gram", "square_norms", "projections"]
GRAM, OTHERS = WAYS[:1], WAYS[1:]


def step(n: int = 40, **settings: object) -> Selection:
    model, labels = mlp(), torch.arange(n) % 3
    generator = torch.Generator().manual_seed(1)
    dba = DynamicBatch(model, check=0, generator=generator, **settings)
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


@register_rule("tests-norms-only")
def norms_only(problem: SelectionProblem) -> Tensor:
    return problem.square_norms / problem.square_norms.sum(-1, keepdim=True)


def test_a_metric_that_the_rule_left_unknown_says_so() -> None:
    selection = step(rule="random", size=5)
    assert selection.sizes == {"0": 5, "2": 5, "3": 5, "4": 5}
    for value in ("metric_before", "metric_after"):
        with pytest.raises(ValueError, match="did without the gradient norms"):
            getattr(selection, value)
    selection = step(rule="tests-norms-only")
    assert selection.metric_after.keys() == {"0", "2", "3", "4"}
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
    dba = DynamicBatch(model, rule=rule, size=30, check=0)
    losses = model(torch.randn(60, 2)).sum(1) * 1e30
    with pytest.raises(ValueError, match=r"module '0' is not finite or overflows"):
        dba.backward(losses)
    assert all(p.grad is None for p in model.parameters())
