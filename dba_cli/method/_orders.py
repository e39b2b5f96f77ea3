"""Orders: which samples come first in a prefix?"""

from collections.abc import Callable

import torch
from torch import Tensor

from ._registry import Registry

OrderFunction = Callable[[Tensor, Tensor], Tensor]
ORDERS: Registry[OrderFunction] = Registry("order")


def register_order(name: str) -> Callable[[OrderFunction], OrderFunction]:
    """Register an order under `name`, for `DynamicBatch(order=name)`.

    The decorated function maps ``|g_i|^2`` and ``<g_i, mean>``, both of shape (layers, n), to keys of the
    same shape; samples with larger keys come first, and ties keep the order of the batch.

    Raises:
        ValueError: the name is taken.
    """
    return ORDERS.register(name)


@register_order("alignment")
def alignment(square_norms: Tensor, projections: Tensor) -> Tensor:
    """Cosine with the mean, up to the mean's norm (one constant per layer); 0 for a zero gradient."""
    return torch.where(square_norms > 0, projections * square_norms.rsqrt(), 0.0)


@register_order("projection")
def projection(square_norms: Tensor, projections: Tensor) -> Tensor:
    """Inner product with the mean, ``<g_i, mean>``."""
    return projections


@register_order("norm")
def norm(square_norms: Tensor, projections: Tensor) -> Tensor:
    """Gradient norm, largest first."""
    return square_norms


@register_order("distance")
def distance(square_norms: Tensor, projections: Tensor) -> Tensor:
    """Distance to the mean, nearest first: ``-|g_i - mean|^2`` without the constant ``|mean|^2``."""
    return 2 * projections - square_norms
