"""Selection that keeps the class balance of the batch."""

import torch
from torch import Tensor

from ._problem import SelectionProblem
from ._rules import RuleFunction


def select_stratified(rule: RuleFunction, problem: SelectionProblem, labels: Tensor) -> Tensor:
    """Apply a rule within every class; each class keeps the share of the weights it has of the batch.

    The rule sees the class's Gram matrix and the projections on the whole batch's mean.

    Args:
        rule: any selection rule.
        problem: the whole batch.
        labels: class of each sample, (n,), integer.

    Returns:
        Weights, (layers, n).

    Raises:
        ValueError: labels of another shape.
    """
    n = problem.samples
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), one per loss, not {tuple(labels.shape)}")
    classes, counts = torch.unique(labels, return_counts=True)
    sizes = counts.tolist()
    weights = torch.zeros_like(problem.projections)
    for label, size, limits in zip(classes, sizes, problem.limits.shared(sizes), strict=True):
        members = (labels == label).nonzero().squeeze(1)
        weights[:, members] = rule(problem.restricted(members, limits)) * (size / n)
    return weights
