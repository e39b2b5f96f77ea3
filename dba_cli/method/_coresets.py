"""Rules of the coreset literature, on the exact Gram matrix of a layer."""

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
    squares = square_norms.unsqueeze(-1) + square_norms.unsqueeze(-2) - 2 * gram
    # A sample is no distance from itself, whatever the rounding of the three terms.
    distances = squares.clamp_min_(0).sqrt_().diagonal_scatter(torch.zeros_like(square_norms), 0, -2, -1)
    nearest = distances.amax((-2, -1), keepdim=True).expand(-1, problem.samples, 1).clone()
    served_by = torch.zeros_like(nearest, dtype=torch.long)
    chosen = torch.zeros_like(square_norms, dtype=torch.bool)
    for _ in range(problem.smallest):
        gains = (nearest - distances).clamp_min_(0).sum(-2)
        pick = torch.where(chosen, -1.0, gains).argmax(-1, keepdim=True)
        chosen.scatter_(-1, pick, True)
        column = distances.gather(-1, pick.unsqueeze(1).expand(-1, problem.samples, 1))
        # The first sample serves all: gains of zero must not leave anybody without one.
        closer = (column < nearest) | (chosen.sum(-1) == 1).view(-1, 1, 1)
        served_by = torch.where(closer, pick.unsqueeze(1), served_by)
        nearest = torch.where(closer, column, nearest)
    shares = torch.full_like(square_norms, 1 / problem.samples)
    return torch.zeros_like(square_norms).scatter_add_(-1, served_by.squeeze(-1), shares)


@register_rule("gradmatch")
def gradmatch(problem: SelectionProblem) -> Tensor:
    """GradMatch (Killamsetty et al. 2021): few samples whose weighted sum comes near the mean gradient.

    Orthogonal matching pursuit for ``min |sum_j w_j g_j - mean|^2`` over ``w >= 0`` with at most as many
    samples as the smallest size; the weights are then scaled to sum to 1. Of a layer with a zero mean
    gradient, which no sample comes near, the first samples of the batch are kept.
    """
    rows = [
        nonnegative_pursuit(gram, target, problem.smallest)
        for gram, target in zip(problem.gram.double(), problem.projections.double(), strict=True)
    ]
    return torch.stack(rows).to(problem.dtype)


def nonnegative_pursuit(gram: Tensor, target: Tensor, atoms: int) -> Tensor:
    """Lawson and Hanson's non-negative least squares on normal equations, stopped at a number of atoms.

    Each step takes the sample most correlated with the residual and solves for all weights so far anew
    (the matching pursuit); samples whose weight would turn negative are given up on the way. From the Gram
    matrix and inner products with what is to be matched, (n,), both float64, to weights that sum to 1.
    """
    n = len(target)
    system = gram + (RIDGE * gram.diagonal().mean()) * torch.eye(n, dtype=gram.dtype, device=gram.device)
    weights = torch.zeros_like(target)
    active = torch.zeros_like(target, dtype=torch.bool)
    floor = ENOUGH * float(target.abs().max())
    # Lawson and Hanson's limit: a round may also give samples up.
    for _ in range(3 * n):
        residual = torch.where(active, -torch.inf, target - system @ weights)
        if int(active.sum()) >= atoms or float(residual.max()) <= floor:
            break
        active[residual.argmax()] = True
        while True:
            members = active.nonzero().squeeze(1)
            solution = torch.zeros_like(weights)
            solution[members] = torch.linalg.solve(system[members][:, members], target[members])
            negative = active & (solution <= 0)
            if not negative.any():
                break
            step = (weights[negative] / (weights[negative] - solution[negative])).min()
            weights = weights + step * (solution - weights)
            active &= weights > 1e-15
            weights = torch.where(active, weights, 0.0)
        weights = solution
    if not weights.any():
        weights[:atoms] = 1.0
    return weights / weights.sum()
