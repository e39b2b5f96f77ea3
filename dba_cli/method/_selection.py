"""The outcome of one selection."""

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from ._problem import SelectionProblem
from ._statistics import SubsetStatistics

_WHOLE, _CHOSEN = 0, 1


class Selection:
    """Which samples each layer's gradient was made of.

    Nothing here waits for the device until a property that returns Python numbers is read.

    Attributes:
        weights: module name to sample weights, (n,): zero where a sample was not chosen, summing to 1.
    """

    def __init__(self, layers: Mapping[str, int], weights: Tensor, problem: SelectionProblem) -> None:
        self._layers = layers
        self._weights = weights
        self._metric = problem.metric
        self._epsilon = problem.epsilon
        # Sums of the Gram matrices; holding on to those themselves would cost n x n for each layer.
        square_norms = problem.square_norms()
        self._square_norms = (square_norms.mean(-1), (weights * square_norms).sum(-1))
        square_mean = (torch.bmm(weights.unsqueeze(1), problem.gram).squeeze(1) * weights).sum(-1)
        self._square_means = (problem.projections.mean(-1), square_mean)
        self.weights: dict[str, Tensor] = {name: weights[row] for name, row in layers.items()}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Module name to number of samples chosen."""
        sizes = self._weights.count_nonzero(dim=-1).tolist()
        return {name: sizes[row] for name, row in self._layers.items()}

    @cached_property
    def metric_before(self) -> dict[str, float]:
        """Module name to the metric's value on the whole batch, equally weighted."""
        return self._metric_values(_WHOLE)

    @cached_property
    def metric_after(self) -> dict[str, float]:
        """Module name to the metric's value on the selection."""
        return self._metric_values(_CHOSEN)

    def _metric_values(self, subset: int) -> dict[str, float]:
        considered = self._weights > 0 if subset == _CHOSEN else torch.ones_like(self._weights)
        statistics = SubsetStatistics.of_means(
            considered.sum(-1).double(),
            self._square_norms[subset].double(),
            self._square_means[subset].double(),
            self._epsilon,
        )
        values = self._metric.function(statistics).tolist()
        return {name: values[row] for name, row in self._layers.items()}

    def __repr__(self) -> str:
        return f"Selection(sizes={self.sizes})"
