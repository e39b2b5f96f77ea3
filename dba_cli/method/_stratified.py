"""Selection that keeps the class balance of the batch."""

import torch
from torch import Tensor

from ._problem import SelectionProblem
from ._rules import RuleFunction


def select_stratified(rule: RuleFunction, problem: SelectionProblem) -> Tensor:
    """Apply a rule within every class; each class keeps the share of the weights it has of the batch.

    The rule sees the class's Gram matrix and the projections on the whole batch's mean.

    Args:
        rule: any selection rule.
        problem: the whole batch, with labels.

    Returns:
        Weights, (layers, n).
    """
    labels, n = problem.labels, problem.samples
    assert labels is not None
    classes, counts = torch.unique(labels, return_counts=True)
    sizes = counts.tolist()
    weights = problem.losses.new_zeros(problem.shape, dtype=problem.dtype)
    for label, size, limits in zip(classes, sizes, problem.limits.shared(sizes), strict=True):
        members = (labels == label).nonzero().squeeze(1)
        weights[:, members] = rule(problem.restricted(members, limits)) * (size / n)
    return weights
