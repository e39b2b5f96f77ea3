"""The best prefix of an order, from the squared norms of the sums of its first samples.

With the Gram matrix of a layer every size is known. Without it the order is cut into blocks. The sums of
their gradients cost one weight gradient altogether, their products with the sums before them another;
with the small Gram matrix of each block that, too, is every size exactly, at a cost that is linear in n.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from math import nan

import torch
from torch import Tensor

from ._gram import ELEMENT, strips
from ._layer_gradients import Gradients, LayerGradients, square_of
from ._metrics import SubsetStatistics
from ._problem import SelectionProblem

BLOCKS = 128, 256
"""Samples of a block inside which every size is known: larger where its Gram matrix costs less than calls."""

FEW = 128
"""Samples up to which a Gram matrix is not worth a thought."""

CALLS = 60_000.0
"""Nanoseconds of the calls that one block takes."""


def best_prefixes(problem: SelectionProblem) -> tuple[Tensor, Tensor]:
    """Sizes (layers, 1) of the best prefixes of the order, and the samples' ranks in it (layers, n).

    Of all sizes that the limits try; of equals, the largest.
    """
    n, tried = problem.samples, problem.limits.tried(problem.samples)
    if n <= FEW:
        _ = problem.gram
    problem.choose_ways("square_norms", "projections", search=partial(_cost, tried))
    order = problem.sequence()
    ranks = order.argsort(-1)
    sizes = torch.arange(1, n + 1, dtype=torch.float64, device=ranks.device)
    if problem.made("gram"):
        trace, totals = _sums(problem.gram, order, ranks, problem.square_norms)
    else:
        trace = problem.square_norms.gather(-1, order).double().cumsum(-1)
        totals = torch.stack([_totals(problem, k, order, tried) for k in range(len(problem.layers))])
        totals = totals.sum(0, keepdim=True) if problem.together else totals
    means = trace / sizes, totals / sizes.square()
    score = problem.metric.score(SubsetStatistics.of_means(sizes, *means, problem.epsilon))
    if _every(tried):  # argmax returns the first maximum: flipped, that is the largest subset.
        score = score[..., tried[0] - 1 : tried[-1]]
        return tried[-1] - score.flip(-1).argmax(-1, keepdim=True), ranks
    places = torch.tensor(tried, device=ranks.device).flip(-1)
    return places[score[..., places - 1].argmax(-1, keepdim=True)], ranks


def _every(tried: Sequence[int]) -> bool:
    return len(tried) > tried[-1] - tried[0]


def _sums(gram: Tensor, order: Tensor, ranks: Tensor, square_norms: Tensor) -> Tensor:
    """``sum of |g_i|^2`` of the first k samples and ``|sum of them|^2`` for every k, (2, rows, n)."""
    values = torch.stack((square_norms, _growth(gram, ranks)))
    return values.gather(-1, order.expand_as(values)).double().cumsum(-1)


def _growth(gram: Tensor, ranks: Tensor) -> Tensor:
    """What sample i adds to the sum of all K_ij of a prefix, ``K_ii + 2 sum_{j: rank_j < rank_i} K_ij``.

    (layers, n), in strips of rows that stay in the cache.
    """
    places = ranks.to(gram.dtype)
    columns = (places - 1).unsqueeze(-2)
    sums = []
    for start, stop in strips(gram.shape[-1]):
        # Differences of ranks, clamped: 2 where j comes before i, 1 where it is i, else 0; faster than masks.
        times = (places[:, start:stop].unsqueeze(-1) - columns).clamp_(0, 2)
        sums.append(times.mul_(gram[:, start:stop]).sum(-1))
    return sums[0] if len(sums) == 1 else torch.cat(sums, -1)


def _totals(problem: SelectionProblem, layer: int, order: Tensor, tried: Sequence[int]) -> Tensor:
    """``|sum of the first k samples|^2`` of one layer for every k, (n,); NaN where it is not tried."""
    order = order[0 if problem.together else layer]
    norms = problem.by_layer("square_norms")[layer]
    if layer in problem.grams:
        alone = (values.unsqueeze(0) for values in (problem.grams[layer], order, order.argsort(), norms))
        return _sums(*alone)[1, 0]
    known = torch.full_like(norms, nan, dtype=torch.float64)
    gradients = problem.gradients[layer]
    _, ends, block = _blocks(gradients, tried)
    sorted_ = gradients.part(order[: ends[-1]])
    before = sorted_.part(slice(0, ends[0])).total()
    squares = [square_of(before)]
    if block:
        # Growing a prefix by sample i adds K_ii + 2 <g_i, sum before>.
        small, products = norms.new_zeros(len(ends) - 1, block, block), [norms.new_empty(0)]
        for matrix, (start, stop) in zip(small, pairwise(ends), strict=True):
            part = sorted_.part(slice(start, stop))
            part.write_gram(matrix[: stop - start, : stop - start])
            products.append(part.products(before))
            if stop < ends[-1]:
                before = _plus(before, part.total())
        earlier = small.tril_(-1).sum(-1).flatten()[: ends[-1] - ends[0]] + torch.cat(products)
        growth = norms[order[ends[0] : ends[-1]]].double() + 2 * earlier.double()
        known[ends[0] - 1 : ends[-1]] = torch.cat((squares[0].double().view(1), growth)).cumsum(-1)
    else:
        for start, stop in pairwise(ends):
            before = _plus(before, sorted_.part(slice(start, stop)).total())
            squares.append(square_of(before))
        known[torch.tensor(ends, device=norms.device) - 1] = torch.stack(squares).double()
    return known


def _plus(sum_so_far: Gradients, more: Gradients) -> Gradients:
    """Their sum, in the memory of the first."""
    return {p: g.add_(more[p]) for p, g in sum_so_far.items()}


def _blocks(gradients: LayerGradients, tried: Sequence[int]) -> tuple[float, list[int], int]:
    """What the cheapest way costs in nanoseconds, the ends of its blocks, and their size where looked into.

    The first block ends at the smallest size.
    """
    ways = [
        (_inside(gradients, ends, block), ends, block)
        for block in BLOCKS
        for ends in [[*range(tried[0], tried[-1], block), tried[-1]]]
    ]
    if not _every(tried):
        ways.append((_at_ends(gradients, tried), list(tried), 0))
    return min(ways)


def _cost(tried: Sequence[int], gradients: LayerGradients) -> float:
    """Nanoseconds of `_totals` without a Gram matrix."""
    return _blocks(gradients, tried)[0]


def _at_ends(gradients: LayerGradients, ends: Sequence[int]) -> float:
    costs = gradients.costs(ends[-1])
    assert costs is not None
    return costs.product + len(ends) * (CALLS / 2 + ELEMENT * sum(p.numel() for p in gradients.parameters))


def _inside(gradients: LayerGradients, ends: Sequence[int], block: int) -> float:
    products, small = gradients.costs(ends[-1] - ends[0]), gradients.costs(block)
    assert products is not None
    assert small is not None
    return _at_ends(gradients, ends) + products.product + (len(ends) - 1) * (CALLS / 2 + small.gram)
