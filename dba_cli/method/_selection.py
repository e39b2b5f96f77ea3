"""The outcome of one selection."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ._metrics import SubsetStatistics
from ._problem import SelectionProblem


class Selection:
    """Which samples each layer's gradient was made of.

    Nothing here waits for the device until a property that returns Python numbers is read. The metric's
    values raise ValueError where the rule did not ask for what they are made of.

    Attributes:
        weights: module name to sample weights, (n,) of the gradients' type (float64 where a parameter is,
            else float32): zero where a sample was not chosen, summing to 1.
    """

    def __init__(
        self,
        layers: Mapping[str, int],
        weights: Tensor,
        problem: SelectionProblem,
        square_mean: Tensor | None = None,
    ) -> None:
        """Keep vectors; holding on to the problem would cost all its gradients and an n x n matrix per layer.

        `layers` maps module names to rows of the weights, (rows, n). `square_mean`, (rows,), are the squared
        norms of the gradients chosen; None takes the Gram matrices.
        """
        self._layers = layers
        self._weights = weights
        self._metric = problem.metric
        self._epsilon = problem.epsilon
        if square_mean is None and problem.made("gram"):
            square_mean = ((problem.gram * weights.unsqueeze(1)).sum(-1) * weights).sum(-1)
        self._square_mean = square_mean
        gram = problem.made("gram")
        self._square_norms = problem.square_norms.clone() if gram or problem.made("square_norms") else None
        self._projections = problem.projections if gram or problem.made("projections") else None
        self.weights: dict[str, Tensor] = {name: weights[row] for name, row in layers.items()}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Module name to number of samples chosen."""
        return self._by_name(self._weights.count_nonzero(dim=-1))

    @cached_property
    def metric_before(self) -> dict[str, float]:
        """Module name to the metric's value on the whole batch, equally weighted."""
        equal = torch.full_like(self._weights, 1 / self._weights.shape[-1])
        return self._values(equal, None if self._projections is None else self._projections.mean(-1))

    @cached_property
    def metric_after(self) -> dict[str, float]:
        """Module name to the metric's value on the selection."""
        return self._values(self._weights, self._square_mean)

    def _values(self, weights: Tensor, square_mean: Tensor | None) -> dict[str, float]:
        if self._square_norms is None or square_mean is None:
            raise ValueError("the metric is not known: the rule did without the gradient norms it is made of")
        statistics = SubsetStatistics.of_means(
            (weights > 0).sum(-1).double(),
            (weights * self._square_norms).sum(-1).double(),
            square_mean.double(),
            self._epsilon,
        )
        return self._by_name(self._metric.function(statistics))

    def _by_name(self, values: Tensor) -> dict[str, Any]:
        numbers = values.tolist()
        return {name: numbers[row] for name, row in self._layers.items()}

    def __repr__(self) -> str:
        return f"Selection(sizes={self.sizes})"
