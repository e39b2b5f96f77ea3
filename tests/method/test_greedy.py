import pytest
import torch

from dba_cli.method import METRICS
from dba_cli.method._rules import RULES

from . import reference
from .problems import gradients_of, problem_of


def greedy_by_trial(metric: str, gradients: torch.Tensor, smallest: int, largest: int) -> torch.Tensor:
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


def test_greedy_keeps_a_layer_without_gradient_whole() -> None:
    weights = RULES["greedy"](problem_of(torch.zeros(1, 8, 3, dtype=torch.float64), min_fraction=0.2))
    assert (weights > 0).all()
