"""Sums over Gram matrices that describe a subset of per-sample gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

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
    def of_sums(cls, size: Tensor, trace: Tensor, total: Tensor, epsilon: float) -> "SubsetStatistics":
        """From ``tr K_S`` and ``1'K_S 1`` of subsets S, equally weighted, K computed with that epsilon."""
        return cls.of_means(size, trace / size, total / size.square(), epsilon)

    @classmethod
    def of_means(
        cls, size: Tensor, mean_square_norm: Tensor, square_norm_mean: Tensor, epsilon: float
    ) -> "SubsetStatistics":
        """From the two means; what lies below their rounding error is set to zero."""
        noise = mean_square_norm * (ROUNDING_MARGIN * epsilon)
        # A sum of k gradients carries the rounding of k^2 entries, each at most the mean squared norm.
        # Both tests are false for NaN, which so cannot pass for zero.
        square = torch.where(square_norm_mean <= noise / size, 0.0, square_norm_mean)
        variance = mean_square_norm - square
        variance = torch.where(variance <= noise, 0.0, variance)
        return cls(size, mean_square_norm, square, variance)
