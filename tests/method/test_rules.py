import itertools
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from torch import Tensor, nn
from torch.nn import functional as F

from dba_cli import DynamicBatch
from dba_cli.method import METRICS, RULES
from dba_cli.method._coresets import nonnegative_pursuit
from dba_cli.method._rules import select_stratified

from . import reference
from .problems import BY_GRADIENTS, gradients_of, problem_of

LABELS = torch.tensor([2, 0, 0, 2, 1, 2, 2, 0, 0, 0])
RULE_NAMES = [name for name in RULES if not name.startswith("tests-")]


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.just(1), st.integers(3, 9)),  # two gradients are equally far from their mean: a tie
    st.integers(0, 10**6),
    st.sampled_from(list(METRICS)),
    st.sampled_from(BY_GRADIENTS),
    st.sampled_from([(0.0, 1.0), (0.3, 0.8), (0.5, 0.5)]),
)
def test_prefix_is_the_best_prefix(
    n: int, seed: int, metric: str, order: str, fractions: tuple[float, float]
) -> None:
    gradients = gradients_of(n, seed)
    problem = problem_of(gradients, metric, order, min_fraction=fractions[0], max_fraction=fractions[1])
    weights = RULES["prefix"](problem)
    for layer, row in zip(gradients, weights, strict=True):
        samples = reference.sorted_samples(order, layer)
        family = [samples[:k] for k in range(problem.smallest, problem.largest + 1)]
        torch.testing.assert_close(row, reference.best_subset(metric, layer, family))


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("n", [1, 2, 17])
@pytest.mark.parametrize("kind", ["random", "zero", "identical", "cancelling"])
def test_weights_are_a_distribution_within_the_limits(rule: str, n: int, kind: str) -> None:
    gradients = {
        "random": gradients_of(n, 3),
        "zero": torch.zeros(2, n, 4, dtype=torch.float64),
        "identical": torch.ones(2, n, 4, dtype=torch.float64),
        "cancelling": torch.tensor([1.0, -1.0]).double().repeat(n)[:n].view(1, n, 1).expand(2, n, 4),
    }[kind]
    for limits, classes in itertools.product(
        [{"min_fraction": 0.25, "max_fraction": 0.75}, {"size": 2}],
        [None, 2, 5],  # without strata, and with fewer and more of them than samples may be kept
    ):
        problem = problem_of(gradients, **limits, labels=torch.arange(n) % (classes or 1))
        weights = RULES[rule](problem) if classes is None else select_stratified(RULES[rule], problem)
        assert weights.shape == (2, n)
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, dtype=torch.float64))
        sizes = (weights > 0).sum(-1)
        if rule != "all":
            assert (sizes <= problem.largest).all()
        if rule not in ("gradmatch", "facility_location", "learning_to_reweight"):  # these may do with fewer
            assert (sizes >= problem.smallest).all()


@pytest.mark.parametrize(
    ("rule", "samples"),
    [
        ("all", lambda gradients, losses: range(9)),
        ("top_k", lambda gradients, losses: reference.sorted_samples("norm", gradients)[:4]),
        ("prefix", lambda gradients, losses: reference.sorted_samples("norm", gradients)[:4]),
        ("largest_loss", lambda gradients, losses: sorted(range(9), key=lambda i: -losses[i])[:4]),
        ("smallest_loss", lambda gradients, losses: sorted(range(9), key=lambda i: losses[i])[:4]),
    ],
)
def test_of_a_fixed_size(rule: str, samples: Callable[[Tensor, list[float]], Iterable[int]]) -> None:
    gradients = gradients_of(9, 5)
    losses = [0.3, 0.1, 2.5, 0.2, 0.9, 0.3, 1.1, 0.0, 0.4]
    weights = RULES[rule](problem_of(gradients, order="norm", size=4, losses=torch.tensor(losses)))
    for layer, row in zip(gradients, weights, strict=True):
        torch.testing.assert_close(row, reference.equal_weights(samples(layer, losses), 9))


def test_equal_samples_are_taken_in_the_order_of_the_batch() -> None:
    weights = RULES["top_k"](problem_of(torch.ones(1, 6, 3, dtype=torch.float64), size=2))
    assert weights.nonzero()[:, 1].tolist() == [0, 1]


def test_random_draws_for_every_layer_anew_and_evenly() -> None:
    problem = problem_of(gradients_of(12, 1), size=6)
    torch.manual_seed(0)
    draws = torch.stack([RULES["random"](problem) > 0 for _ in range(400)])
    assert (draws.sum(-1) == 6).all()
    assert (draws[:, 0] != draws[:, 1]).any()
    assert ((draws.double().mean(0) - 0.5).abs() < 0.15).all()


@pytest.mark.parametrize("metric", METRICS)
def test_brute_force_over_all_subsets_is_never_beaten(metric: str) -> None:
    gradients = gradients_of(7, 11, layers=1)
    problem = problem_of(gradients, metric, min_fraction=0.3)
    family = [s for k in range(problem.smallest, 8) for s in itertools.combinations(range(7), k)]
    best = reference.metric(metric, gradients[0], reference.best_subset(metric, gradients[0], family))
    sign = 1.0 if metric in ("norm", "snr", "diversity") else -1.0
    for rule in ("prefix", "greedy", "top_k", "random", "largest_loss"):
        value = reference.metric(metric, gradients[0], RULES[rule](problem)[0])
        assert sign * value <= sign * best + 1e-9 * abs(best)


def greedy_by_trial(metric: str, gradients: Tensor, smallest: int, largest: int) -> Tensor:
    """The same search, every neighbour judged from its gradients."""
    n = len(gradients)
    everybody = set(range(n))
    visited = [everybody]
    while len(visited[-1]) > smallest:
        neighbours = [visited[-1] - {i} for i in sorted(visited[-1])]
        best = reference.best_subset(metric, gradients, [sorted(s) for s in neighbours])
        visited.append(set(best.nonzero().flatten().tolist()))
    while len(visited[-1]) < largest:
        neighbours = [visited[-1] | {i} for i in sorted(everybody - visited[-1])]
        best = reference.best_subset(metric, gradients, [sorted(s) for s in neighbours])
        visited.append(set(best.nonzero().flatten().tolist()))
    return reference.best_subset(metric, gradients, [sorted(s) for s in visited if len(s) <= largest])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fractions", [(0.2, 1.0), (0.4, 0.7)])
def test_greedy_visits_the_best_neighbour(metric: str, seed: int, fractions: tuple[float, float]) -> None:
    gradients = gradients_of(10, seed)
    problem = problem_of(gradients, metric, min_fraction=fractions[0], max_fraction=fractions[1])
    weights = RULES["greedy"](problem)
    for layer, row in zip(gradients, weights, strict=True):
        expected = greedy_by_trial(metric, layer, problem.smallest, problem.largest)
        torch.testing.assert_close(row, expected)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_class_keeps_its_share(rule: str) -> None:
    problem = problem_of(gradients_of(10, 1), min_fraction=0.5, labels=LABELS)
    weights = select_stratified(RULES[rule], problem)
    for label in range(3):
        share = (label == LABELS).double().mean()
        torch.testing.assert_close(weights[:, label == LABELS].sum(1), share.expand(2))


def test_within_a_class_samples_are_sorted_by_the_mean_of_the_whole_batch() -> None:
    gradients = gradients_of(10, 1)
    weights = select_stratified(
        RULES["top_k"], problem_of(gradients, order="projection", size=5, labels=LABELS)
    )
    for layer, row in zip(gradients, weights, strict=True):
        samples = reference.sorted_samples("projection", layer)
        sizes = [int((row[label == LABELS] > 0).sum()) for label in range(3)]
        assert sum(sizes) == 5
        for label, size in enumerate(sizes):
            expected = [i for i in samples if LABELS[i] == label][:size]
            assert sorted(expected) == [i for i in range(10) if row[i] > 0 and LABELS[i] == label]


def test_of_more_classes_than_samples_allowed_some_are_drawn() -> None:
    gradients = gradients_of(10, 1)
    problem = problem_of(gradients, size=2, labels=LABELS)
    seen = set()
    for _ in range(40):
        weights = select_stratified(RULES["top_k"], problem)[0]
        labels = LABELS[weights > 0].tolist()
        shares = [int((label == LABELS).sum()) for label in labels]
        torch.testing.assert_close(weights[weights > 0], torch.tensor(shares).double() / sum(shares))
        seen.add(tuple(sorted(labels)))
    assert seen == {(0, 1), (0, 2), (1, 2)}


def test_backward_takes_the_labels() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    dba = DynamicBatch(model, stratified=True, size=6, rule="top_k")

    def losses() -> Tensor:
        return F.cross_entropy(model(torch.randn(10, 4)), LABELS, reduction="none")

    selection = dba.backward(losses(), labels=LABELS)
    assert selection.sizes == {"": 6}
    with pytest.raises(ValueError, match="labels=labels"):
        dba.backward(losses())
    with pytest.raises(ValueError, match=r"labels must have shape \(10,\)"):
        dba.backward(losses(), labels=LABELS[:5])


def coverage(gradients: Tensor, chosen: list[int]) -> float:
    distances = torch.cdist(gradients, gradients)
    return float((distances.max() - distances[:, chosen].min(1).values).sum())


@pytest.mark.parametrize("seed", range(5))
def test_facility_location_is_the_greedy_maximum(seed: int) -> None:
    gradients = gradients_of(12, seed)
    weights = RULES["facility_location"](problem_of(gradients, size=4))
    for layer, row in zip(gradients, weights, strict=True):
        chosen: list[int] = []
        for _ in range(4):
            chosen.append(max(set(range(12)) - set(chosen), key=lambda j: coverage(layer, [*chosen, j])))
        found = row.nonzero().flatten()
        assert coverage(layer, found.tolist()) == pytest.approx(coverage(layer, chosen))  # whoever wins a tie
        shares = torch.bincount(found[torch.cdist(layer, layer)[:, found].argmin(1)], minlength=12) / 12
        torch.testing.assert_close(row, shares.double())
        best = max(coverage(layer, list(s)) for s in itertools.combinations(range(12), 4))
        assert coverage(layer, chosen) >= (1 - 1 / np.e) * best


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [14, 6])  # in six dimensions samples are given up again on the way
def test_pursuit_without_a_limit_is_nonnegative_least_squares(seed: int, size: int) -> None:
    atoms = gradients_of(10, seed, layers=1, size=size)[0]
    target = atoms.mean(0) + torch.randn(size, generator=torch.Generator().manual_seed(seed)).double()
    expected = torch.from_numpy(nnls(atoms.T.numpy(), target.numpy())[0])
    found = nonnegative_pursuit(atoms @ atoms.T, atoms @ target, atoms=10)
    torch.testing.assert_close(found, expected / expected.sum(), rtol=1e-6, atol=1e-6)


def test_gradmatch_of_few_samples_comes_nearer_than_any_equal_weights() -> None:
    gradients = gradients_of(9, 2, layers=1, size=6)
    weights = RULES["gradmatch"](problem_of(gradients, size=3))[0]
    assert 1 <= int((weights > 0).sum()) <= 3
    mean = gradients[0].mean(0)

    def error(w: Tensor) -> float:
        direction = w @ gradients[0]
        scale = (direction @ mean) / (direction @ direction)
        return float((scale * direction - mean).norm())

    average = torch.tensor(
        [error(torch.eye(9).double()[list(s)].mean(0)) for s in itertools.combinations(range(9), 3)]
    )
    assert error(weights) <= float(average.median())


@pytest.mark.parametrize("rule", ["greedy", "facility_location", "gradmatch"])
def test_many_samples_at_once_are_chosen_as_by_their_definition(rule: str) -> None:
    gradients = gradients_of(90, 3, layers=1, size=12)
    row = RULES[rule](problem_of(gradients, "variance", min_fraction=0.2, max_fraction=0.6))[0]
    if rule == "greedy":
        torch.testing.assert_close(row, greedy_by_trial("variance", gradients[0], 18, 54))
    elif rule == "facility_location":
        chosen: list[int] = []
        for _ in range(18):
            gains = [-1.0 if j in chosen else coverage(gradients[0], [*chosen, j]) for j in range(90)]
            chosen.append(int(np.argmax(gains)))
        found = row.nonzero().flatten().tolist()
        assert coverage(gradients[0], found) == pytest.approx(coverage(gradients[0], chosen))
    else:
        mean, found = gradients[0].mean(0), row.nonzero().flatten()
        expected = nnls(gradients[0][found].T.numpy(), mean.numpy())[0]
        torch.testing.assert_close(row[found], torch.from_numpy(expected / expected.sum()))


def test_gradmatch_needs_one_of_many_duplicates() -> None:
    weights = RULES["gradmatch"](problem_of(torch.ones(1, 8, 3, dtype=torch.float64), size=5))
    assert int((weights > 0).sum()) == 1
