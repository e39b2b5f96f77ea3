"""Metrics: how good is the mean gradient of a subset?"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ._registry import Registry
from ._statistics import SubsetStatistics

MetricFunction = Callable[[SubsetStatistics], Tensor]


@dataclass(frozen=True, slots=True)
class Metric:
    """A registered metric: its values, and which direction is better."""

    name: str
    function: MetricFunction
    larger_is_better: bool

    def score(self, statistics: SubsetStatistics) -> Tensor:
        """Values with the sign turned so that larger is better; NaN becomes -inf and so never wins."""
        value = self.function(statistics)
        score = value if self.larger_is_better else -value
        return torch.where(score.isnan(), -torch.inf, score)


METRICS: Registry[Metric] = Registry("metric")


def register_metric(name: str, *, larger_is_better: bool) -> Callable[[MetricFunction], MetricFunction]:
    """Register a metric under `name`, for `DynamicBatch(metric=name)`.

    The decorated function maps `SubsetStatistics` to one value per subset (same shape), without Python
    branches on the values: one call judges all candidate subsets of all layers.

    Raises:
        ValueError: the name is taken.
    """

    def register(function: MetricFunction) -> MetricFunction:
        METRICS.add(name, Metric(name, function, larger_is_better))
        return function

    return register


@register_metric("variance", larger_is_better=False)
def variance(s: SubsetStatistics) -> Tensor:
    """Trace of the gradient covariance, ``tr K_S / k - 1'K_S 1 / k^2`` (the metric of the DBA abstract)."""
    return s.variance


@register_metric("norm", larger_is_better=True)
def norm(s: SubsetStatistics) -> Tensor:
    """Squared norm of the subset's mean gradient, ``1'K_S 1 / k^2``."""
    return s.square_norm_mean


@register_metric("snr", larger_is_better=True)
def snr(s: SubsetStatistics) -> Tensor:
    """Squared norm of the mean over the variance; 0 where the mean is 0, inf where only the variance is."""
    return torch.where(s.square_norm_mean == 0, 0.0, s.square_norm_mean / s.variance)


@register_metric("noise_scale", larger_is_better=False)
def noise_scale(s: SubsetStatistics) -> Tensor:
    """Variance over squared norm of the mean (McCandlish et al. 2018, "simple"); inf where the mean is 0."""
    return torch.where(s.square_norm_mean == 0, torch.inf, s.variance / s.square_norm_mean)


@register_metric("diversity", larger_is_better=True)
def diversity(s: SubsetStatistics) -> Tensor:
    """``sum |g_i|^2 / |sum g_i|^2`` (Yin et al. 2018): inf where gradients cancel, 0 where all are zero."""
    ratio = s.mean_square_norm / (s.size * s.square_norm_mean)
    return torch.where(s.mean_square_norm == 0, 0.0, ratio)
