"""Greedy search: one sample leaves or joins at a time, the sums following by rank-one updates."""

import torch
from torch import Tensor

from ._metrics import SubsetStatistics
from ._problem import SelectionProblem
from ._rules import register_rule


@register_rule("greedy")
def greedy(problem: SelectionProblem) -> Tensor:
    """From all samples down to the smallest size, dropping the one whose loss helps the metric most, then up.

    On the way back up to the largest size the sample that helps most is added. The best subset met wins;
    of equals, the largest. n - smallest drops and largest - smallest additions, each O(n).
    """
    gram = problem.gram.double()
    square_norms = gram.diagonal(dim1=-2, dim2=-1)

    def scores_of(size: int, trace: Tensor, total: Tensor) -> Tensor:
        sizes = torch.full_like(trace, size)
        return problem.metric.score(SubsetStatistics.of_sums(sizes, trace, total, problem.epsilon))

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
