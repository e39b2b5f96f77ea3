"""Samplers: from a recorded module call to its per-sample gradients, one function per type of layer."""

from . import _embedding as _embedding
from . import _normalization as _normalization
from . import _outer_products as _outer_products
from ._generic import generic as generic
from ._registry import register_sampler as register_sampler
from ._registry import sampler_of as sampler_of
from ._registry import trainable as trainable
