"""The best prefix of an order, from the squared norms of the sums of its first samples.

With the Gram matrix of a layer every size is known. Without it the order is cut into blocks; the sums of the
blocks' gradients, which cost one weight gradient altogether, give the squared norm at every block's end. What
lies inside a block is bounded, and computed where the bounds leave a chance that it is the best.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from ._gram import strips
from ._layer_gradients import Gradients, LayerGradients, square_of
from ._limits import evenly
from ._metrics import SubsetStatistics
from ._problem import SelectionProblem

ENDS = 17
"""Blocks' ends where every size is tried: finer blocks have closer bounds and cost more calls."""

MARGIN = 128
"""Units of rounding by which bounds are widened, of what they would be if all gradients were parallel."""


def best_prefixes(problem: SelectionProblem) -> tuple[Tensor, Tensor]:
    """Sizes (layers, 1) of the best prefixes of the order, and the samples' ranks in it (layers, n).

    Of all sizes that the limits try; of equals, the largest.
    """
    n, tried = problem.samples, problem.limits.tried(problem.samples)
    every = len(tried) > tried[-1] - tried[0]
    ends = evenly(tried[0], tried[-1], ENDS) if every else tried
    problem.choose_ways("square_norms", "projections", ends=len(ends), inside=every)
    ranks = problem.ranks()
    sizes = torch.arange(1, n + 1, dtype=torch.float64, device=ranks.device)

    def scores(trace: Tensor, totals: Tensor) -> Tensor:
        means = trace / sizes, totals / sizes.square()
        return problem.metric.score(SubsetStatistics.of_means(sizes, *means, problem.epsilon))

    if problem.made("gram"):
        score = scores(*_sums(problem.gram, ranks, problem.square_norms))
    else:
        trace = _in_order(problem.square_norms.double(), ranks).cumsum(-1)
        score = _Search(problem, ranks, ends, partial(scores, trace)).score(inside=every)
    if every:  # argmax returns the first maximum: flipped, that is the largest subset.
        score = score[..., tried[0] - 1 : tried[-1]]
        return tried[-1] - score.flip(-1).argmax(-1, keepdim=True), ranks
    places = torch.tensor(tried, device=ranks.device).flip(-1)
    return places[score[..., places - 1].argmax(-1, keepdim=True)], ranks


class _Search:
    """The squared norms of prefixes' sums, of layers some of which have no Gram matrix, (rows, n).

    `low` and `high` bound them for each size; where the two are one, it is known.
    """

    def __init__(
        self,
        problem: SelectionProblem,
        ranks: Tensor,
        ends: Sequence[int],
        scores: Callable[[Tensor], Tensor],
    ) -> None:
        self._problem, self._ends, self._scores = problem, ends, scores
        self._order = ranks.argsort(-1)
        low, high = [], []
        for k, gradients in enumerate(problem.gradients):
            row = ranks[[self._row(k)]]
            norms = problem.by_layer("square_norms")[[k]]
            if k in problem.grams:
                known = _totals(problem.grams[k].unsqueeze(0), row, norms)[0]
                bounds = known, known
            else:
                known = _sums_at(gradients, self._order[self._row(k)], ends).double()
                norms, projections = (
                    _in_order(problem.by_layer(name)[[k]].double(), row)[0]
                    for name in ("square_norms", "projections")
                )
                mean = problem.square_means[k].double()
                bounds = _between(known, ends, norms, projections, mean, MARGIN * problem.epsilon)
            low.append(bounds[0])
            high.append(bounds[1])
        self.low, self.high = torch.stack(low), torch.stack(high)
        if problem.together:
            self.low, self.high = self.low.sum(0, keepdim=True), self.high.sum(0, keepdim=True)

    def score(self, *, inside: bool) -> Tensor:
        """The scores, (rows, n); -inf of sizes that cannot be the best, or that are not to be tried."""
        if inside:
            for row, blocks in enumerate(self._worth_a_look()):
                self._look_inside(row, blocks)
        return torch.where(self.low == self.high, self._scores(self.high), -torch.inf)

    def _row(self, layer: int) -> int:
        return 0 if self._problem.together else layer

    def _worth_a_look(self) -> list[list[tuple[int, int]]]:
        """For each row, the blocks, as the sizes at both ends, that may hold the best size."""
        known = self.low == self.high
        blocks = list(pairwise(self._ends))
        if not self._problem.metric.monotonic or known.device.type != "cpu":
            return [blocks] * len(known)  # to look at values, the host would wait for another device
        score = self._scores(self.high)
        best = torch.where(known, score, -torch.inf)[:, self._ends[0] - 1 : self._ends[-1]].amax(
            -1, keepdim=True
        )
        chance = ((torch.maximum(score, self._scores(self.low)) >= best) & ~known).cumsum(-1)
        starts, stops = (torch.tensor(side) - 1 for side in zip(*blocks, strict=True))
        worth = (chance[:, stops] > chance[:, starts]).tolist()
        return [[b for b, look in zip(blocks, row, strict=True) if look] for row in worth]

    def _look_inside(self, row: int, blocks: Sequence[tuple[int, int]]) -> None:
        """Make all sizes inside these blocks of a row known."""
        problem, order = self._problem, self._order[row]
        layers = range(len(problem.layers)) if problem.together else [row]
        exact = {start: torch.zeros(stop - start - 1).double() for start, stop in blocks}
        for k in layers:
            if k in problem.grams:
                continue
            gradients, norms = problem.gradients[k], problem.by_layer("square_norms")[k]
            reached, before = 0, None
            for start, stop in blocks:
                before = _plus(before, gradients.part(order[reached:start]).total())
                reached, inner = start, order[start : stop - 1]
                if not len(inner):
                    continue
                part = gradients.part(inner)
                # Growing a prefix by sample i adds K_ii + 2 sum_{j before i} K_ij to the sum's square.
                matrix = norms.new_empty(len(inner), len(inner))
                part.write_gram(matrix)
                growth = part.products(before) + matrix.tril(-1).sum(-1)
                exact[start] = exact[start].to(norms.device) + (
                    square_of(before).double() + (norms[inner] + 2 * growth).double().cumsum(-1)
                )
        for start, stop in blocks:
            dense = sum(
                _totals(matrix.unsqueeze(0), self._ranks(row), problem.by_layer("square_norms")[[k]])[0]
                for k, matrix in problem.grams.items()
                if k in layers
            )
            if isinstance(dense, Tensor):
                exact[start] = exact[start] + dense[start : stop - 1]
            self.low[row, start : stop - 1] = self.high[row, start : stop - 1] = exact[start]

    def _ranks(self, row: int) -> Tensor:
        return self._order[[row]].argsort(-1)


def _totals(gram: Tensor, ranks: Tensor, square_norms: Tensor) -> Tensor:
    """``|sum of the first k samples|^2`` for every k, (rows, n), of Gram matrices (rows, n, n)."""
    return _sums(gram, ranks, square_norms)[1]


def _sums(gram: Tensor, ranks: Tensor, square_norms: Tensor) -> Tensor:
    """``sum of |g_i|^2`` of the first k samples and ``|sum of them|^2`` for every k, (2, rows, n)."""
    # Growing a prefix by sample i adds K_ii + 2 sum_{j before i} K_ij to 1'K_S 1.
    norms, links = square_norms.double(), _sums_over_earlier(gram, ranks).double()
    return _in_order(torch.stack((norms, norms + 2 * links)), ranks).cumsum(-1)


def _in_order(values: Tensor, ranks: Tensor) -> Tensor:
    """Values of samples, (..., n), in the sequence of their ranks."""
    return torch.empty_like(values).scatter_(-1, ranks.expand_as(values), values)


def _sums_over_earlier(gram: Tensor, ranks: Tensor) -> Tensor:
    """``sum_{j: rank_j < rank_i} K_ij``, (layers, n), in strips of rows that stay in the cache."""
    places = ranks.to(gram.dtype)
    columns = places.unsqueeze(-2)
    sums = []
    for start, stop in strips(gram.shape[-1]):
        # A difference of ranks, clamped, is 1 where j comes before i and 0 elsewhere; faster than a mask.
        earlier = (places[:, start:stop].unsqueeze(-1) - columns).clamp_(0, 1)
        sums.append(earlier.mul_(gram[:, start:stop]).sum(-1))
    return sums[0] if len(sums) == 1 else torch.cat(sums, -1)


def _plus(sum_so_far: Gradients | None, more: Gradients) -> Gradients:
    """Their sum, in the memory of the first."""
    return more if sum_so_far is None else {p: g.add_(more[p]) for p, g in sum_so_far.items()}


def _sums_at(gradients: LayerGradients, order: Tensor, ends: Sequence[int]) -> Tensor:
    """``|sum of the first k samples|^2`` for each k of `ends`."""
    total, squares = None, []
    for start, stop in pairwise([0, *ends]):
        total = _plus(total, gradients.part(order[start:stop]).total())
        squares.append(square_of(total))
    return torch.stack(squares)


def _between(
    known: Tensor,
    ends: Sequence[int],
    norms: Tensor,
    projections: Tensor,
    square_mean: Tensor,
    rounding: float,
) -> tuple[Tensor, Tensor]:
    """Bounds of ``|S_k|^2``, S_k the sum of the first k samples, for every k from its values at `ends`.

    Along the batch's mean gradient m, of squared norm `square_mean`, S_k is known from the projections.
    Across it, it is no further from the S of a block's end than the norms of what lies between add up to.
    Squared norms and projections, (n,), are in the order's sequence.
    """
    square_mean = square_mean.clamp_min(torch.finfo(norms.dtype).tiny)
    along = projections.cumsum(-1).square() / square_mean
    across = (norms - projections.square() / square_mean).clamp_min(0).sqrt().cumsum(-1)
    places = torch.tensor(ends, device=norms.device) - 1
    sizes = torch.arange(len(norms), device=norms.device)
    after = torch.searchsorted(places, sizes).clamp_max(len(ends) - 1)
    at_ends = (known - along[places]).clamp_min(0).sqrt()
    high, low = torch.full_like(norms, torch.inf), torch.zeros_like(norms)
    for end in (after, (after - 1).clamp_min(0)):
        steps = (across - across[places[end]]).abs()
        high = torch.minimum(high, at_ends[end] + steps)
        low = torch.maximum(low, at_ends[end] - steps)
    # |S_k|^2 is at most k times the sum of k squared norms.
    margin = rounding * (sizes + 1) * norms.cumsum(-1)
    low, high = along + low.square() - margin, along + high.square() + margin
    low[places] = high[places] = known
    return low, high
