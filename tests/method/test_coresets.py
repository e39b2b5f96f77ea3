import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from dba_cli.method._coresets import nonnegative_pursuit
from dba_cli.method._rules import RULES

from .problems import gradients_of, problem_of


def coverage(gradients: torch.Tensor, chosen: list[int]) -> float:
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
        distances = torch.cdist(layer, layer)[:, chosen]
        shares = torch.bincount(torch.tensor(chosen)[distances.argmin(1)], minlength=12) / 12
        torch.testing.assert_close(row, shares.double())
        best = max(coverage(layer, list(s)) for s in itertools.combinations(range(12), 4))
        assert coverage(layer, chosen) >= (1 - 1 / np.e) * best


@pytest.mark.parametrize("seed", range(5))
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

    def error(w: torch.Tensor) -> float:
        direction = w @ gradients[0]
        scale = (direction @ mean) / (direction @ direction)
        return float((scale * direction - mean).norm())

    average = torch.tensor(
        [error(torch.eye(9).double()[list(s)].mean(0)) for s in itertools.combinations(range(9), 3)]
    )
    assert error(weights) <= float(average.median())


def test_gradmatch_needs_one_of_many_duplicates() -> None:
    weights = RULES["gradmatch"](problem_of(torch.ones(1, 8, 3, dtype=torch.float64), size=5))
    assert int((weights > 0).sum()) == 1
