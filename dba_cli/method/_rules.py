"""Rules: from a problem to sample weights, and their use within classes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._memory import otsu_cut
from ._metrics import Criterion, SubsetStatistics
from ._prefixes import best_prefixes
from ._problem import SelectionProblem, ranks_of
from ._registry import Registry

RuleFunction = Callable[[SelectionProblem], Tensor]
RULES: Registry[RuleFunction] = Registry("rule")

TINY = 1e-300
"""Keeps the ratio of two zeros a number."""


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
    of equals, the largest. n - smallest drops and largest - smallest additions, each O(n), made by the host.
    """
    ways = [_way_down_and_up(problem, gram) for gram in problem.gram.cpu().numpy()]
    moves, traces, totals = zip(*ways, strict=True)
    return _best_met(problem, moves, np.stack(traces), np.stack(totals))


def _way_down_and_up(problem: SelectionProblem, gram: Any) -> tuple[list[int], list[float], list[float]]:
    """The samples moved, and ``tr K_S`` and ``1'K_S 1`` of each subset S met, of one Gram matrix (n, n)."""
    n, criterion = problem.samples, _criterion(problem)
    square_norms, doubled = gram.diagonal().astype(np.float64), 2 * gram  # exact in any type
    trace, total = square_norms.sum() + TINY, gram.sum(dtype=np.float64)
    # What a move of sample i adds to the trace, and to 1'K_S 1: K_ii + 2 sign sum_{j in S} K_ij, with a sign
    # of -1 or 1. That changes by 2 K_ij with every move of a sample j, either way.
    traces_by, totals_by = -square_norms, square_norms - doubled.sum(-1, dtype=np.float64)
    barred = np.zeros(n)  # -inf where a sample cannot make the move
    trace_then, total_then, value = np.empty((3, n))
    moves: list[int] = []
    traces, totals = [trace], [total]
    sizes = [*range(n - 1, problem.smallest - 1, -1), *range(problem.smallest + 1, problem.largest + 1)]
    for size in sizes:
        if (
            size > problem.smallest and len(moves) == n - problem.smallest
        ):  # Only what was dropped may return.
            traces_by, totals_by = square_norms, 2 * square_norms - totals_by
            barred = np.where(barred < 0, 0.0, -np.inf)
        np.add(traces_by, trace, out=trace_then)
        np.add(totals_by, total, out=total_then)
        move = int(np.add(criterion(size, trace_then, total_then), barred, out=value).argmax())
        trace, total = trace_then[move], total_then[move]
        totals_by += doubled[move]
        barred[move] = -np.inf
        moves.append(move)
        traces.append(trace)
        totals.append(total)
    return moves, traces, totals


def _criterion(problem: SelectionProblem) -> Criterion:
    metric = problem.metric

    def score(size: int, trace: Any, total: Any) -> Any:
        means = torch.from_numpy(trace) / size, torch.from_numpy(total) / size**2
        sizes = torch.full_like(means[0], size)
        # A score of -inf is still a candidate: what is none must lie below it.
        lowest = torch.finfo(means[0].dtype).min
        return (
            metric.score(SubsetStatistics.of_means(sizes, *means, problem.epsilon)).clamp_min(lowest).numpy()
        )

    return metric.criterion or score


def _best_met(problem: SelectionProblem, moves: Any, traces: Any, totals: Any) -> Tensor:
    """Equal weights for the best subset on a way of moves from all samples down and up again."""
    n, drops = problem.samples, problem.samples - problem.smallest
    sizes = torch.tensor(
        [*range(n, problem.smallest - 1, -1), *range(problem.smallest + 1, problem.largest + 1)]
    )
    means = torch.from_numpy(traces) / sizes, torch.from_numpy(totals) / sizes.square()
    score = problem.metric.score(SubsetStatistics.of_means(sizes.double(), *means, problem.epsilon))
    score = torch.where(sizes <= problem.largest, score, torch.nan)
    best = score.nan_to_num(-torch.inf, torch.inf, -torch.inf).amax(-1, keepdim=True)
    met = torch.where(score == best, sizes, 0).argmax(-1).tolist()
    weights = torch.zeros(len(traces), n, dtype=problem.dtype)
    for row, steps in enumerate(met):
        chosen = np.ones(n, dtype=bool)
        for k, move in enumerate(moves[row][:steps]):
            chosen[move] = k >= drops
        weights[row] = torch.from_numpy(chosen / chosen.sum())
    return weights.to(problem.losses.device)


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


@register_rule("two_groups")
def two_groups(problem: SelectionProblem) -> Tensor:
    """The lower of two groups of what is remembered, of the size that this comes to within the limits.

    The cut is Otsu's (1979), through what is remembered of all samples of the training set. Where the upper
    group has less than `Memory.upper_group` of them there is one group, and it is kept.
    """
    remembered, memory = problem.remembered, problem.memory
    assert memory is not None
    values = memory.values
    cut = otsu_cut(values)
    upper = (values > cut).sum(-1, keepdim=True) / (~values.isnan()).sum(-1, keepdim=True)
    low = (remembered <= cut) | (upper < memory.upper_group)
    sizes = low.sum(-1, keepdim=True)
    return problem.first(sizes.clamp(problem.smallest, problem.largest), ranks_of(-remembered))


@register_rule("agreement")
def agreement(problem: SelectionProblem) -> Tensor:
    """Those whose gradient agrees with the reference's, ``<g_i, r> > 0``, of a number within the limits.

    AGRA (Sedova et al. 2023) keeps what agrees with a batch of other samples, here with trusted ones and for
    each layer. Those that agree most come first where the limits say more or fewer.
    """
    products = problem.reference_products
    sizes = (products > 0).sum(-1, keepdim=True)
    return problem.first(sizes.clamp(problem.smallest, problem.largest), ranks_of(products))


@register_rule("learning_to_reweight")
def learning_to_reweight(problem: SelectionProblem) -> Tensor:
    """Weights in proportion to ``max(0, <g_i, r>)``, of as many as allowed: Ren et al. 2018.

    By so much the reference's loss falls with a small step along the sample's gradient. Where none makes it
    fall, the paper makes no step; here those nearest to doing so share the weight, as few as allowed.
    """
    products = problem.reference_products
    ranks = ranks_of(products)
    agreeing = torch.where(ranks < problem.largest, products.clamp_min(0), 0)
    total = agreeing.sum(-1, keepdim=True)
    return torch.where(total > 0, agreeing / total, problem.first(problem.smallest, ranks))


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


def tilted(weights: Tensor, losses: Tensor, tilt: float) -> Tensor:
    """Weights (layers, n) times ``exp(tilt * loss)``, each row summing to 1 again (Li et al. 2021, TERM)."""
    exponents = (tilt * losses).to(weights.dtype).expand_as(weights)
    largest = torch.where(weights > 0, exponents, -torch.inf).amax(-1, keepdim=True)
    weights = weights * (exponents - largest).clamp_max(0).exp()
    return weights / weights.sum(-1, keepdim=True)
