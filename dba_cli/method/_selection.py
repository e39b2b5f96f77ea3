"""The outcome of one selection."""

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from ._metrics import Metric
from ._statistics import SubsetStatistics


class Selection:
    """Which samples each layer's gradient was made of.

    Nothing here waits for the device until a property that returns Python numbers is read.

    Attributes:
        weights: module name to sample weights, (n,): zero where a sample was not chosen, summing to 1.
    """

    def __init__(self, layers: Mapping[str, int], weights: Tensor, gram: Tensor, metric: Metric) -> None:
        self._layers = layers
        self._metric = metric
        whole = weights.new_full(weights.shape, 1 / weights.shape[-1])
        self._statistics = SubsetStatistics.of_weights(gram, torch.stack((whole, weights), dim=1))
        self.weights: dict[str, Tensor] = {name: weights[row] for name, row in layers.items()}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Module name to number of samples chosen."""
        sizes = self._statistics.size[:, 1].tolist()
        return {name: int(sizes[row]) for name, row in self._layers.items()}

    @cached_property
    def metric_before(self) -> dict[str, float]:
        """Module name to the metric's value on the whole batch, equally weighted."""
        return self._metric_values(0)

    @cached_property
    def metric_after(self) -> dict[str, float]:
        """Module name to the metric's value on the selection."""
        return self._metric_values(1)

    def _metric_values(self, subset: int) -> dict[str, float]:
        values = self._metric.function(self._statistics)[:, subset].tolist()
        return {name: float(values[row]) for name, row in self._layers.items()}

    def __repr__(self) -> str:
        return f"Selection(sizes={self.sizes})"
