"""Selection for several runs at once: their layers' per-sample gradients, stacked along a first axis.

Conventions: S runs, n samples each; a layer's output gradients are `left`, (S, n, p), its inputs `right`,
(S, n, q), and it has a bias. Every row of a stack is what `DynamicBatch` computes for that run alone.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ._limits import SizeLimits
from ._metrics import METRICS
from ._orders import ORDERS
from ._problem import SelectionProblem
from ._products import WORTH_IT, row_products
from ._rules import RULES

STACKABLE_RULES = frozenset({"all", "prefix", "top_k"})
"""Rules that treat all rows of a problem alike, without a random number or a loop over rows."""

Runs = Tensor | Sequence[Tensor]
"""One matrix per run."""


def products_of_each(a: Runs, b: Runs) -> Runs:
    """Inner products of all rows within each run, ``a b'``: (m, k) and (n, k) to (m, n) for every run."""
    rows, terms = a[0].shape
    if rows * terms * b[0].shape[0] >= WORTH_IT:
        # One large product after the other: no batched product reaches the faster kernel.
        return [row_products(x, y) for x, y in zip(a, b, strict=True)]
    return torch.bmm(_stack(a), _stack(b).mT)


def stacked_products(a: Runs, b: Runs) -> Tensor:
    """The same in one tensor, (S, m, n)."""
    return _stack(products_of_each(a, b))


class StackedSelector:
    """What `DynamicBatch` chooses, for the layers of several runs in one computation.

    Args:
        metric: as for `DynamicBatch`, and so are the others.
        order: how samples are sorted.
        rule: one of `STACKABLE_RULES`.
        limits: how many samples may be kept.
        scope: one selection per layer, or one for all layers of a run.
    """

    def __init__(
        self, *, metric: str, order: str, rule: str, limits: SizeLimits, scope: Literal["layer", "model"]
    ) -> None:
        if rule not in STACKABLE_RULES:
            raise ValueError(f"rule {rule!r} does not work on several runs at once")
        self._metric, self._order, self._rule = METRICS[metric], ORDERS[order], RULES[rule]
        self._limits = limits
        self._scope = scope

    def __call__(self, lefts: Sequence[Tensor], rights: Sequence[Tensor]) -> tuple[Tensor, list[bool]]:
        """Choose samples from the output gradients and the inputs of each layer.

        Returns:
            Weights, (S, layers, n), and for each run whether its per-sample gradients are finite; the
            weights of a run where they are not mean nothing.
        """
        runs, n, _ = lefts[0].shape
        gram = lefts[0].new_empty(runs, len(lefts), n, n)
        for layer, (left, right) in enumerate(zip(lefts, rights, strict=True)):
            outputs = stacked_products(left, left)
            torch.addcmul(outputs, outputs, stacked_products(right, right), out=gram[:, layer])
        finite = gram.diagonal(dim1=-2, dim2=-1).isfinite().flatten(1).all(1).tolist()
        gram = gram.sum(1) if self._scope == "model" else gram.flatten(0, 1)
        problem = SelectionProblem(gram, gram.mean(-1), self._metric, self._order, self._limits)
        weights = self._rule(problem).view(runs, -1, n)
        return weights.expand(-1, len(lefts), -1), finite


def stacked_gradient(left: Tensor, right: Tensor, weights: Tensor) -> tuple[Runs, Tensor]:
    """Gradients ``sum_i w_i g_i`` of each run's weight, (p, q), and bias, (p,); `weights` is (S, n)."""
    n = weights.shape[1]
    # The runs' products have one shape, so the run that keeps most sets it; a multiple of eight, because
    # matrix kernels are prepared for every new shape.
    size = -(-int(weights.count_nonzero(dim=1).max()) // 8) * 8
    if 10 * size < 9 * n:
        chosen = weights.argsort(dim=1, descending=True)[:, :size]
        weights = weights.gather(1, chosen)
        left, right = _rows_of_each(left, chosen), _rows_of_each(right, chosen)
    left = left * weights.unsqueeze(2)
    return products_of_each(left.mT, right.mT), left.sum(1)


def _rows_of_each(x: Tensor, rows: Tensor) -> Tensor:
    """Rows (S, m) of each run's (n, q)."""
    runs, n, _ = x.shape
    first = torch.arange(runs, device=x.device).unsqueeze(1) * n
    # Indices of whole rows copy them at once; gather would look up every element.
    return x.flatten(0, 1).index_select(0, (rows + first).flatten()).view(*rows.shape, -1)


def _stack(runs: Runs) -> Tensor:
    return runs if isinstance(runs, Tensor) else torch.stack(list(runs))
