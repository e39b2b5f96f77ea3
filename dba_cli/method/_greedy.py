"""Greedy search: one sample leaves or joins at a time, the sums following by rank-one updates."""

import torch
from torch import Tensor

from ._problem import SelectionProblem
from ._rules import register_rule
from ._statistics import SubsetStatistics


class _Search:
    """One subset per layer, and the best one seen.

    For a subset S: trace ``tr K_S``, total ``1'K_S 1``, and ``links_i = sum_{j in S} K_ij``.
    """

    def __init__(self, problem: SelectionProblem) -> None:
        self._problem = problem
        self._gram = problem.gram.double()
        self._square_norms = self._gram.diagonal(dim1=-2, dim2=-1)
        self._chosen = torch.ones_like(self._square_norms, dtype=torch.bool)
        self._links = self._gram.sum(-1)
        self._trace = self._square_norms.sum(-1, keepdim=True)
        self._total = self._links.sum(-1, keepdim=True)
        self.size = problem.samples
        self.best = self._chosen.clone()
        self._best_score = self._trace.new_full(self._trace.shape, -torch.inf)
        if self.size <= problem.largest:
            self._best_score = self._scores(self.size, self._trace, self._total)

    def _scores(self, size: int, trace: Tensor, total: Tensor) -> Tensor:
        sizes = torch.full_like(trace, size)
        statistics = SubsetStatistics.of_sums(sizes, trace, total, self._problem.epsilon)
        return self._problem.metric.score(statistics)

    def step(self, sign: int) -> None:
        """Drop (-1) or add (+1) the sample that leaves the best subset."""
        self.size += sign
        trace = self._trace + sign * self._square_norms
        total = self._total + 2 * sign * self._links + self._square_norms
        candidates = self._chosen if sign < 0 else ~self._chosen
        # A score of -inf is still a candidate: what is none must lie below it, so candidates come first.
        scores = self._scores(self.size, trace, total).clamp_min(torch.finfo(trace.dtype).min)
        move = torch.where(candidates, scores, -torch.inf).argmax(-1, keepdim=True)
        self._trace, self._total = trace.gather(-1, move), total.gather(-1, move)
        self._links += sign * self._gram.gather(
            1, move.unsqueeze(-1).expand(-1, 1, self._gram.shape[-1])
        ).squeeze(1)
        self._chosen.scatter_(-1, move, sign > 0)
        if self.size <= self._problem.largest:
            score = scores.gather(-1, move)
            larger = self.size > self.best.sum(-1, keepdim=True)
            better = (score > self._best_score) | ((score == self._best_score) & larger)
            self.best = torch.where(better, self._chosen, self.best)
            self._best_score = torch.where(better, score, self._best_score)


@register_rule("greedy")
def greedy(problem: SelectionProblem) -> Tensor:
    """From all samples down to the smallest size, dropping the one whose loss helps the metric most, then up.

    On the way back up to the largest size the sample that helps most is added. The best subset met wins;
    of equals, the largest. n - smallest drops and largest - smallest additions, each O(n).
    """
    search = _Search(problem)
    while search.size > problem.smallest:
        search.step(-1)
    while search.size < problem.largest:
        search.step(+1)
    weights = search.best.to(problem.dtype)
    return weights / weights.sum(-1, keepdim=True)
