"""Orders: which samples come first in a prefix?"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ._registry import Registry

OrderFunction = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Order:
    """A registered order: its keys, and what they are made of."""

    function: OrderFunction
    needs: tuple[str, ...]


ORDERS: Registry[Order] = Registry("order")
_DEFAULT = ("square_norms", "projections")
_KNOWN = (*_DEFAULT, "remembered", "reference_products")


def register_order(name: str) -> Callable[[OrderFunction], OrderFunction]:
    """Register an order under `name`, for `DynamicBatch(order=name)`.

    The decorated function maps ``|g_i|^2`` and ``<g_i, mean>``, both of shape (layers, n), to keys of the
    same shape; samples with larger keys come first, and ties keep the order of the batch. Parameters that go
    by the names ``square_norms``, ``projections``, ``remembered`` (what is remembered of each sample) and
    ``reference_products`` (``<g_i, r>`` with the mean gradient r of trusted samples) are what it gets, and
    nothing else is computed for it.

    Raises:
        ValueError: the name is taken.
    """

    def register(function: OrderFunction) -> OrderFunction:
        own = tuple(inspect.signature(function).parameters)
        ORDERS.add(name, Order(function, own if set(own) <= set(_KNOWN) else _DEFAULT))
        return function

    return register


@register_order("alignment")
def alignment(square_norms: Tensor, projections: Tensor) -> Tensor:
    """Cosine with the mean, up to the mean's norm (one constant per layer); 0 for a zero gradient."""
    return projections * square_norms.clamp_min(torch.finfo(square_norms.dtype).tiny).rsqrt()


@register_order("projection")
def projection(projections: Tensor) -> Tensor:
    """Inner product with the mean, ``<g_i, mean>``."""
    return projections


@register_order("norm")
def norm(square_norms: Tensor) -> Tensor:
    """Gradient norm, largest first."""
    return square_norms


@register_order("distance")
def distance(square_norms: Tensor, projections: Tensor) -> Tensor:
    """Distance to the mean, nearest first: ``-|g_i - mean|^2`` without the constant ``|mean|^2``."""
    return 2 * projections - square_norms


@register_order("remembered")
def remembered(remembered: Tensor) -> Tensor:
    """What is remembered of each sample, smallest first."""
    return -remembered


@register_order("reference")
def reference(reference_products: Tensor) -> Tensor:
    """Inner product with the reference's mean gradient, ``<g_i, r>``: what the step does for its loss."""
    return reference_products


@register_order("reference_alignment")
def reference_alignment(square_norms: Tensor, reference_products: Tensor) -> Tensor:
    """Cosine with the reference's mean gradient, up to its norm; 0 for a zero gradient."""
    return torch.where(square_norms > 0, reference_products * square_norms.rsqrt(), 0.0)
