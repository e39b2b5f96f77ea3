"""Selection that keeps the class balance of the batch."""

import torch
from torch import Tensor

from ._problem import SelectionProblem
from ._rules import RuleFunction


def select_stratified(rule: RuleFunction, problem: SelectionProblem) -> Tensor:
    """Apply a rule within every class; each class keeps the share of the weights it has of the batch.

    The rule sees the class's Gram matrix and the projections on the whole batch's mean. Where fewer samples
    may be kept than there are classes, classes are drawn at random and share the weights.

    Args:
        rule: any selection rule.
        problem: the whole batch, with labels.

    Returns:
        Weights, (layers, n).
    """
    labels, generator = problem.labels, problem.generator
    assert labels is not None
    classes, counts = torch.unique(labels, return_counts=True)
    if problem.largest < len(classes):
        device = generator.device if generator else labels.device
        drawn = torch.randperm(len(classes), generator=generator, device=device)[: problem.largest]
        classes, counts = classes[drawn.to(labels.device)], counts[drawn.to(labels.device)]
    sizes = counts.tolist()
    weights = problem.losses.new_zeros(problem.shape, dtype=problem.dtype)
    for label, size, limits in zip(classes, sizes, problem.limits.shared(sizes), strict=True):
        members = (labels == label).nonzero().squeeze(1)
        weights[:, members] = rule(problem.restricted(members, limits)) * (size / sum(sizes))
    return weights
