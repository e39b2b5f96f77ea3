"""Metrics: how good is the mean gradient of a subset? Judged by sums over its Gram matrix."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._registry import Registry

ROUNDING_MARGIN = 16.0
"""How many units of rounding error a variance or squared mean must exceed to count as non-zero.

A Gram entry is a dot product over the layer's parameters, so its error is a small multiple of the type's
epsilon times |g_i||g_j|. Without this margin, identical samples would have variances of random sign.
"""


@dataclass(frozen=True, slots=True)
class SubsetStatistics:
    """What every metric needs to know of the weighted mean of per-sample gradients ``m = sum_i w_i g_i``.

    All tensors are float64 and of one shape, typically (layers, subsets); the weights of a subset sum to 1.

    Attributes:
        size: number of samples with a weight.
        mean_square_norm: ``sum_i w_i |g_i|^2``, the mean of the squared norms.
        square_norm_mean: ``|m|^2``, the squared norm of the mean.
        variance: ``mean_square_norm - square_norm_mean``: the trace of the subset's gradient covariance.
    """

    size: Tensor
    mean_square_norm: Tensor
    square_norm_mean: Tensor
    variance: Tensor

    @classmethod
    def of_means(
        cls, size: Tensor, mean_square_norm: Tensor, square_norm_mean: Tensor, epsilon: float
    ) -> "SubsetStatistics":
        """From the two means; what lies below their rounding error is set to zero."""
        noise = mean_square_norm * (ROUNDING_MARGIN * epsilon)
        # A sum of k gradients carries the rounding of k^2 entries, each at most the mean squared norm.
        # Products with what is true or false take a third of the time of torch.where; NaN stays NaN.
        square = square_norm_mean * (square_norm_mean > noise / size)
        variance = mean_square_norm - square
        variance *= variance > noise
        return cls(size, mean_square_norm, square, variance)


MetricFunction = Callable[[SubsetStatistics], Tensor]
Criterion = Callable[[int, Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """A registered metric: its values, and which direction is better.

    `criterion`: from a size, ``tr K_S`` and ``1'K_S 1``, numbers that rank subsets of that size as the score
    does, but for rounding, in plain arithmetic.
    """

    function: MetricFunction
    larger_is_better: bool
    criterion: Criterion | None = None

    def score(self, statistics: SubsetStatistics) -> Tensor:
        """Values with the sign turned so that larger is better; NaN becomes -inf and so never wins."""
        value = self.function(statistics)
        score = value if self.larger_is_better else -value
        return score.nan_to_num(-torch.inf, torch.inf, -torch.inf)


METRICS: Registry[Metric] = Registry("metric")


def register_metric(
    name: str, *, larger_is_better: bool, criterion: Criterion | None = None
) -> Callable[[MetricFunction], MetricFunction]:
    """Register a metric under `name`, for `DynamicBatch(metric=name)`.

    The decorated function maps `SubsetStatistics` to one value per subset (same shape), without Python
    branches on the values: one call judges all candidate subsets of all layers.
    `criterion`, from a size and arrays of ``tr K_S``, positive, and ``1'K_S 1``, returns numbers that rank
    subsets of one size as the metric does, the largest for the best: it makes ``greedy`` quicker.

    Raises:
        ValueError: the name is taken.
    """

    def register(function: MetricFunction) -> MetricFunction:
        METRICS.add(name, Metric(function, larger_is_better, criterion))
        return function

    return register


@register_metric(
    "variance",
    larger_is_better=False,
    criterion=lambda size, trace, total: total - size * trace,
)
def variance(s: SubsetStatistics) -> Tensor:
    """Trace of the gradient covariance, ``tr K_S / k - 1'K_S 1 / k^2`` (the metric of the DBA abstract)."""
    return s.variance


@register_metric("norm", larger_is_better=True, criterion=lambda size, trace, total: total)
def norm(s: SubsetStatistics) -> Tensor:
    """Squared norm of the subset's mean gradient, ``1'K_S 1 / k^2``."""
    return s.square_norm_mean


@register_metric("snr", larger_is_better=True, criterion=lambda size, trace, total: total / trace)
def snr(s: SubsetStatistics) -> Tensor:
    """Squared norm of the mean over the variance; 0 where the mean is 0, inf where only the variance is."""
    return s.square_norm_mean / (s.variance + (s.square_norm_mean == 0))


@register_metric(
    "noise_scale",
    larger_is_better=False,
    criterion=lambda size, trace, total: total / trace,
)
def noise_scale(s: SubsetStatistics) -> Tensor:
    """Variance over squared norm of the mean (McCandlish et al. 2018, "simple"); inf where the mean is 0."""
    return torch.where(s.square_norm_mean == 0, torch.inf, s.variance / s.square_norm_mean)


@register_metric(
    "diversity",
    larger_is_better=True,
    criterion=lambda size, trace, total: -total / trace,
)
def diversity(s: SubsetStatistics) -> Tensor:
    """``sum |g_i|^2 / |sum g_i|^2`` (Yin et al. 2018): inf where gradients cancel, 0 where all are zero."""
    ratio = s.mean_square_norm / (s.size * s.square_norm_mean)
    return torch.where(s.mean_square_norm == 0, 0.0, ratio)
