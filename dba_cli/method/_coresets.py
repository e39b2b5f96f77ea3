"""Rules of the coreset literature, on the exact Gram matrix of a layer."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._problem import SelectionProblem
from ._rules import register_rule

RIDGE = 1e-9
"""Added to the Gram matrix's diagonal, relative to its mean: keeps duplicate samples solvable."""

ENOUGH = 1e-7
"""Largest correlation with the residual, relative to that with the target, that is worth no more sample."""


@register_rule("facility_location")
def facility_location(problem: SelectionProblem) -> Tensor:
    """CRAIG (Mirzasoleiman et al. 2020): samples that stand for those whose gradients are near.

    Greedily maximises ``sum_i max_{j in S} (d_max - |g_i - g_j|)`` with as few samples as allowed; a
    sample's weight is the share of the batch that is nearest to it.
    """
    gram, square_norms = problem.gram, problem.square_norms
    rows = []
    for matrix, norms in zip(gram, square_norms, strict=True):
        distances = torch.add(norms.unsqueeze(-1), matrix, alpha=-2).add_(norms).clamp_min_(0).sqrt_()
        # A sample is no distance from itself, whatever the rounding of the three terms.
        distances.fill_diagonal_(0)
        rows.append(_nearest_of(distances.cpu().numpy(), problem.smallest))
    served_by = torch.from_numpy(np.stack(rows)).to(gram.device)
    shares = torch.full_like(square_norms, 1 / problem.samples)
    return torch.zeros_like(square_norms).scatter_add_(-1, served_by, shares)


def _nearest_of(distances: Any, number: int) -> Any:
    """For each sample the nearest of `number` representatives, chosen greedily, by distances (n, n).

    A gain only falls as others are chosen, so that those too small before need not be known anew (lazy
    greedy, Minoux 1978).
    """
    n, pick = len(distances), -1
    nearest = np.full(n, distances.max(), distances.dtype)
    served_by = np.zeros(n, dtype=np.int64)
    gains, spared = n * nearest[0] - distances.sum(1), np.empty_like(nearest)
    for k in range(number):
        if k == 1:  # The first gains say little of those that follow.
            gains = np.maximum(nearest - distances, 0).sum(1)
            gains[pick] = -np.inf
        known = set(range(n) if k < 2 else ())
        while (pick := int(gains.argmax())) not in known:
            np.maximum(np.subtract(nearest, distances[pick], out=spared), 0, out=spared)
            gains[pick] = spared.sum()
            known.add(pick)
        column = distances[pick]
        # The first sample serves all: gains of zero must not leave anybody without one.
        served_by[column < nearest if k else slice(None)] = pick
        np.minimum(nearest, column, out=nearest)
        gains[pick] = -np.inf
    return served_by


@register_rule("gradmatch")
def gradmatch(problem: SelectionProblem) -> Tensor:
    """GradMatch (Killamsetty et al. 2021): few samples whose weighted sum comes near the mean gradient.

    Orthogonal matching pursuit for ``min |sum_j w_j g_j - mean|^2`` over ``w >= 0`` with at most as many
    samples as the smallest size; the weights are then scaled to sum to 1. Of a layer with a zero mean
    gradient, which no sample comes near, the first samples of the batch are kept.
    """
    rows = [
        nonnegative_pursuit(gram, target, problem.smallest)
        for gram, target in zip(problem.gram, problem.projections.double(), strict=True)
    ]
    return torch.stack(rows).to(problem.dtype)


def nonnegative_pursuit(gram: Tensor, target: Tensor, atoms: int) -> Tensor:
    """Lawson and Hanson's non-negative least squares on normal equations, stopped at a number of atoms.

    Each step takes the sample most correlated with the residual and solves for all weights so far anew
    (the matching pursuit); samples whose weight would turn negative are given up on the way. From the Gram
    matrix and inner products with what is to be matched, (n,) in float64, to weights that sum to 1.
    """
    ridge = RIDGE * float(gram.diagonal().mean())
    pursuit = _Pursuit(gram.cpu().numpy(), target.cpu().numpy(), ridge, atoms)
    n, floor = len(target), ENOUGH * float(target.abs().max())
    # Lawson and Hanson's limit: a round may also give samples up.
    for _ in range(3 * n):
        if len(pursuit.members) >= atoms:
            break
        pick = int(pursuit.residual.argmax())
        if pursuit.residual[pick] <= floor or pick in pursuit.members:
            break
        pursuit.take(pick)
        while len(negative := np.flatnonzero(pursuit.solution <= 0)):
            before, after = pursuit.weights[negative], pursuit.solution[negative]
            step = (before / (before - after)).min()
            weights = pursuit.weights + step * (pursuit.solution - pursuit.weights)
            pursuit.keep(weights > 1e-15, weights)
        pursuit.weights = pursuit.solution
    found = np.zeros(n)
    found[pursuit.members] = pursuit.weights
    if not found.any():
        found[:atoms] = 1.0
    return torch.from_numpy(found / found.sum()).to(gram.device)


class _Pursuit:
    """The samples taken, and the least squares among them, by a Cholesky factor R that grows by a column.

    With K = Q'Q, rows of `across` are the inner products of all samples with an orthonormal basis of the
    taken ones; those of the taken ones are R. `inverse` is that of R, `along` the target's part in the basis.

    Attributes:
        members: samples taken.
        weights: theirs, before the last was taken, none negative.
        solution: the weights of least squares, of any sign.
        residual: inner products of all samples with what is not matched yet.
    """

    def __init__(self, gram: Any, target: Any, ridge: float, atoms: int) -> None:
        self._gram, self._target, self._ridge = gram, target, ridge
        self._across, self._inverse = np.empty((atoms, len(target))), np.zeros((atoms, atoms))
        self._along = np.empty(atoms)
        self.members: list[int] = []
        self._return_to(0)

    def _return_to(self, k: int) -> None:
        """As it was with the first k members."""
        self.members = self.members[:k]
        self.solution = self._inverse[:k, :k] @ self._along[:k]
        self.weights = self.solution
        self.residual = self._target - self._along[:k] @ self._across[:k]
        self.residual[self.members] = -np.inf

    def take(self, sample: int) -> None:
        """Take one more sample; its weight was zero."""
        k = len(self.members)
        seen = self._across[:k, sample].copy()
        row = self._gram[sample] - seen @ self._across[:k]
        row[sample] += self._ridge
        length = row[sample] ** 0.5
        row /= length
        row[self.members] = 0.0
        along = self.residual[sample] / length
        solved = self._inverse[:k, :k] @ seen
        self._across[k], self._along[k] = row, along
        self._inverse[:k, k], self._inverse[k, k] = -solved / length, 1 / length
        self.members.append(sample)
        self.weights = np.append(self.weights, 0.0)
        self.solution = np.append(self.solution, 0.0) + along * self._inverse[: k + 1, k]
        self.residual -= along * row
        self.residual[self.members] = -np.inf

    def keep(self, kept: Any, weights: Any) -> None:
        """Give up all others, and solve again for these."""
        after = [sample for sample, stays in zip(self.members, kept, strict=True) if stays]
        unchanged = int(kept.argmin())
        self._return_to(unchanged)
        for sample in after[unchanged:]:
            self.take(sample)
        self.weights = weights[kept]
