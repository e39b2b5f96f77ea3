"""The search without Gram matrices finds what trying every prefix finds; so does one over a grid of sizes."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.method import (
    METRICS,
    ORDERS,
    RULES,
    Explicit,
    LayerGradients,
    OuterProducts,
    SelectionProblem,
    _layer_gradients,
    _prefixes,
)
from dba_cli.method._layer_gradients import Costs
from dba_cli.method._rules import select_stratified
from dba_cli.method._samplers import _outer_products

from . import reference
from .problems import BY_GRADIENTS, batch, gradients_of, losses_of, mlp, problem_of

FREE = Costs(gram=math.inf, square_norms=0, product=0)
DEAR = Costs(gram=0, square_norms=math.inf, product=math.inf)


class WithoutGram(Explicit):
    def costs(self, n: int) -> Costs:
        return FREE


def without_gram(problem: SelectionProblem, rows: range | None = None) -> SelectionProblem:
    for row in range(len(problem.layers)) if rows is None else rows:
        problem.layers[row].gradients.__class__ = WithoutGram
    return problem


def ways(monkeypatch: pytest.MonkeyPatch, costs: Costs) -> None:
    for kind in (OuterProducts, Explicit):
        monkeypatch.setattr(kind, "costs", lambda self, n: costs)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(3, 60),
    st.integers(0, 10**6),
    st.sampled_from([*METRICS]),
    st.sampled_from(BY_GRADIENTS),
    st.sampled_from([(0.0, 1.0), (0.25, 1.0), (0.3, 0.8)]),
    st.sampled_from([None, 2, 5, 32]),
    st.sampled_from([1, 7, 96]),
)
def test_it_is_the_best_of_the_prefixes_tried(
    n: int, seed: int, metric: str, order: str, fractions: tuple[float, float], sizes: int | None, block: int
) -> None:
    gradients = gradients_of(n, seed)
    limits = {"min_fraction": fractions[0], "max_fraction": fractions[1], "sizes": sizes}
    problem = without_gram(problem_of(gradients, metric, order, **limits))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_prefixes, "BLOCKS", [block])
        patched.setattr(_prefixes, "FEW", 0)
        weights = RULES["prefix"](problem)
    assert not problem.made("gram")
    for layer, row in zip(gradients, weights, strict=True):
        samples = reference.sorted_samples(order, layer)
        family = [samples[:k] for k in problem.limits.tried(n)]
        torch.testing.assert_close(row, reference.best_subset(metric, layer, family))


@pytest.mark.parametrize("sizes", [None, 4])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("rows", [range(3), range(1, 2), range(2)])
def test_some_layers_without(
    monkeypatch: pytest.MonkeyPatch, sizes: int | None, together: bool, stratified: bool, rows: range
) -> None:
    monkeypatch.setattr(_prefixes, "BLOCKS", [7, 9])
    monkeypatch.setattr(_prefixes, "FEW", 0)
    labels = torch.arange(40) % 3
    for seed in range(4):
        gradients = gradients_of(40, seed, layers=3)
        arguments = {"together": together, "sizes": sizes, "min_fraction": 0.2, "labels": labels}
        problems = [problem_of(gradients, **arguments) for _ in range(2)]
        without_gram(problems[1], rows)
        found = [
            select_stratified(RULES["prefix"], p) if stratified else RULES["prefix"](p) for p in problems
        ]
        assert not problems[1].made("gram")
        torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    "settings", [{}, {"sizes": 6}, {"scope": "model"}, {"rule": "top_k"}, {"rule": "random"}]
)
def test_a_network_chooses_the_same_both_ways(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    found, gradients = [], []
    monkeypatch.setattr(_prefixes, "FEW", 0)
    for costs in (FREE, DEAR):
        ways(monkeypatch, costs)
        model = mlp()
        generator = torch.Generator().manual_seed(3)
        dba = DynamicBatch(model, check=0, generator=generator, **settings)
        found.append(dba.backward(losses_of(model, 90)))
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert found[0].sizes == found[1].sizes
    torch.testing.assert_close(*gradients)
    for values in ("metric_before", "metric_after"):
        torch.testing.assert_close(*(list(getattr(f, values).values()) for f in found))


def assert_consistent(gradients: LayerGradients) -> None:
    """What spares the Gram matrix against the gradients themselves."""
    each = torch.cat([g.flatten(1) for g in gradients.explicit().values()], 1)
    some = torch.tensor([2, 1])
    total = gradients.total()
    assert total.keys() == set(gradients.parameters)
    flat = torch.cat([total[p].flatten() for p in gradients.explicit()])
    torch.testing.assert_close(flat, each.sum(0))
    torch.testing.assert_close(gradients.products(total), each @ each.sum(0))
    torch.testing.assert_close(gradients.projections(), each @ each.mean(0))
    torch.testing.assert_close(gradients.square_norms(), each.square().sum(1))
    for samples in (some, slice(1, 3)):
        part = torch.cat([g.flatten(1) for g in gradients.part(samples).explicit().values()], 1)
        torch.testing.assert_close(part, each[samples])
    gram = each.new_empty(len(each), len(each))
    gradients.write_gram(gram)
    torch.testing.assert_close(gram, each @ each.T)
    costs = gradients.costs(len(each))
    assert costs is not None
    assert min(costs.gram, costs.square_norms, costs.product) >= 0


@pytest.mark.parametrize("positions", [1, 2, 40])
@pytest.mark.parametrize("frozen", [None, "weight", "bias"])
def test_outer_products_without_gram(positions: int, frozen: str | None) -> None:
    torch.manual_seed(0)
    left, right = torch.randn(6, positions, 5).double(), torch.randn(6, positions, 4).double()
    weight, bias = nn.Parameter(torch.zeros(5, 4)), nn.Parameter(torch.zeros(5))
    layer = OuterProducts(
        left, right, None if frozen == "weight" else weight, None if frozen == "bias" else bias
    )
    assert_consistent(layer)
    assert_consistent(Explicit(layer.explicit()))


class Sentences(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm, self.out = nn.Embedding(9, 4), nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(1).mul(5).long() % 9
        # Used twice, and with a bias and a matrix that have no node in common.
        return self.out(self.norm(self.words(tokens))) @ self.words.weight.T


@pytest.mark.parametrize("ways", ["pairs", "slabs"])
@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Conv2d(2, 4, 3),
        lambda: nn.Conv2d(2, 4, (3, 2), padding=(1, 2), stride=2, dilation=(1, 2), bias=False),
        lambda: nn.Conv2d(2, 4, 2, groups=2, padding=1),
        lambda: nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1),
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), nn.GroupNorm(3, 3)),
        lambda: nn.Sequential(nn.Flatten(2), nn.Linear(42, 5), nn.Linear(5, 5, bias=False)),
        Sentences,
    ],
)
def test_layers_without_gram(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module], ways: str
) -> None:
    cost = {"pairs": 0.0, "slabs": 1e12}[ways]
    for module in (_layer_gradients, _outer_products):
        monkeypatch.setattr(module, "pair_cost", lambda *sizes: cost + sum(sizes))
    torch.manual_seed(0)
    model = build().double()
    x = torch.randn(5, 2, 6, 7, dtype=torch.float64).abs()
    losses = model(x).pow(2).flatten(1).sum(1)
    with torch.no_grad():
        layers, _ = DynamicBatch(model)._tracer.layers(losses, retain_graph=False)
        assert layers
        for layer in layers:
            assert_consistent(layer.gradients)


def test_an_order_is_given_what_it_names() -> None:
    assert [ORDERS[name].needs for name in ("norm", "projection", "distance")] == [
        ("square_norms",),
        ("projections",),
        ("square_norms", "projections"),
    ]


@pytest.mark.parametrize(("order", "spared"), [("norm", "products"), ("projection", "square_norms")])
def test_what_an_order_does_not_look_at_is_not_made(
    monkeypatch: pytest.MonkeyPatch, order: str, spared: str
) -> None:
    def refused(*args: object) -> None:
        raise AssertionError("not asked for")

    for kind in (OuterProducts, Explicit):
        monkeypatch.setattr(kind, spared, refused)
        monkeypatch.setattr(kind, "write_gram", refused)
    model, n = mlp(), 300
    x, y = batch(n)
    assert len(x) == len(y)
    dba = DynamicBatch(model, rule="top_k", order=order, size=9, check=0)
    assert set(dba.backward(losses_of(model, n)).sizes.values()) == {9}
