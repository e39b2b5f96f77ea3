"""Samplers: from a recorded module call to its per-sample gradients, one function per type of layer."""

from . import _convolution as _convolution
from . import _embedding as _embedding
from . import _linear as _linear
from . import _normalization as _normalization
from ._generic import generic as generic
from ._registry import register_sampler as register_sampler
from ._registry import sampler_of as sampler_of
from ._registry import trainable as trainable
