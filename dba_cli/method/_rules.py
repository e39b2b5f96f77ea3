"""Rules: from a problem to sample weights, and their use within classes."""

from collections.abc import Callable

import torch
from torch import Tensor

from ._metrics import SubsetStatistics
from ._prefixes import best_prefixes
from ._problem import SelectionProblem, ranks_of
from ._registry import Registry

RuleFunction = Callable[[SelectionProblem], Tensor]
RULES: Registry[RuleFunction] = Registry("rule")


def register_rule(name: str) -> Callable[[RuleFunction], RuleFunction]:
    """Register a selection rule under `name`, for `DynamicBatch(rule=name)`.

    The decorated function maps a `SelectionProblem` to weights of its ``shape``, (layers, n), and its
    ``dtype``: non-negative, zero where a sample is not chosen, each row summing to 1. What it does not ask
    the problem for is not computed.

    Raises:
        ValueError: the name is taken.
    """
    return RULES.register(name)


@register_rule("prefix")
def prefix(problem: SelectionProblem) -> Tensor:
    """The best prefix of the order by the metric, of all sizes that are tried; ties go to the largest."""
    if problem.smallest == problem.largest:
        return top_k(problem)
    return problem.first(*best_prefixes(problem))


@register_rule("top_k")
def top_k(problem: SelectionProblem) -> Tensor:
    """The first samples of the order, as few as allowed, whatever the metric says."""
    return problem.first(problem.smallest, problem.ranks())


@register_rule("greedy")
def greedy(problem: SelectionProblem) -> Tensor:
    """From all samples down to the smallest size, dropping the one whose loss helps the metric most, then up.

    On the way back up to the largest size the sample that helps most is added. The best subset met wins;
    of equals, the largest. n - smallest drops and largest - smallest additions, each O(n).
    """
    gram = problem.gram.double()
    square_norms = gram.diagonal(dim1=-2, dim2=-1)

    def scores_of(size: int, trace: Tensor, total: Tensor) -> Tensor:
        means = trace / size, total / size**2
        statistics = SubsetStatistics.of_means(torch.full_like(trace, size), *means, problem.epsilon)
        return problem.metric.score(statistics)

    # Of the subset S: its members, links_i = sum_{j in S} K_ij, tr K_S and 1'K_S 1.
    size, chosen, links = problem.samples, torch.ones_like(square_norms, dtype=torch.bool), gram.sum(-1)
    trace, total = square_norms.sum(-1, keepdim=True), links.sum(-1, keepdim=True)
    best, best_score = chosen.clone(), torch.full_like(trace, -torch.inf)
    if size <= problem.largest:
        best_score = scores_of(size, trace, total)
    for sign in [-1] * (size - problem.smallest) + [1] * (problem.largest - problem.smallest):
        size += sign
        traces, totals = trace + sign * square_norms, total + 2 * sign * links + square_norms
        # A score of -inf is still a candidate: what is none must lie below it, so candidates come first.
        scores = scores_of(size, traces, totals).clamp_min(torch.finfo(trace.dtype).min)
        move = torch.where(chosen == (sign < 0), scores, -torch.inf).argmax(-1, keepdim=True)
        trace, total, score = (values.gather(-1, move) for values in (traces, totals, scores))
        links += sign * gram.gather(1, move.unsqueeze(-1).expand(-1, 1, gram.shape[-1])).squeeze(1)
        chosen.scatter_(-1, move, sign > 0)
        if size <= problem.largest:
            larger = size > best.sum(-1, keepdim=True)
            better = (score > best_score) | ((score == best_score) & larger)
            best, best_score = torch.where(better, chosen, best), torch.where(better, score, best_score)
    weights = best.to(problem.dtype)
    return weights / weights.sum(-1, keepdim=True)


@register_rule("random")
def random(problem: SelectionProblem) -> Tensor:
    """Control: the sizes that ``prefix`` finds, with members drawn at random, for each layer anew."""
    fixed = problem.smallest == problem.largest
    sizes = problem.smallest if fixed else best_prefixes(problem)[0]
    generator, device = problem.generator, problem.losses.device
    draw = torch.rand(problem.shape, generator=generator, device=generator.device if generator else device)
    return problem.first(sizes, ranks_of(draw.to(device, non_blocking=True)))


@register_rule("all")
def everything(problem: SelectionProblem) -> Tensor:
    """Control: every sample with weight 1/n, plain training on the mean loss, whatever the limits say."""
    return problem.losses.new_full(problem.shape, 1 / problem.samples, dtype=problem.dtype)


@register_rule("largest_loss")
def largest_loss(problem: SelectionProblem) -> Tensor:
    """Selective backprop (Jiang et al. 2019): the largest losses, as few as allowed.

    The paper draws a sample with a probability that grows with the rank of its loss; here the largest win.
    """
    return problem.first(problem.smallest, ranks_of(problem.losses))


@register_rule("smallest_loss")
def smallest_loss(problem: SelectionProblem) -> Tensor:
    """Iterative trimmed loss (Shen and Sanghavi 2019): the smallest losses, as few as allowed.

    The paper trims the whole training set once in a round; here it is the batch, in every step.
    """
    return problem.first(problem.smallest, ranks_of(-problem.losses))


def select_stratified(rule: RuleFunction, problem: SelectionProblem) -> Tensor:
    """Apply a rule within every class; each class keeps the share of the weights it has of the batch.

    The rule sees the class's Gram matrix and the projections on the whole batch's mean. Where fewer samples
    may be kept than there are classes, classes are drawn at random and share the weights.
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
