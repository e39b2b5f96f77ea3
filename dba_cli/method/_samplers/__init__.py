"""Samplers: from a node of the autograd graph that uses parameters to per-sample gradients."""

from . import _broadcast as _broadcast
from . import _embedding as _embedding
from . import _outer_products as _outer_products
from . import _recurrent as _recurrent
from ._registry import SAMPLERS as SAMPLERS
from ._registry import NotServed as NotServed
from ._registry import Parameter as Parameter
from ._registry import Use as Use
from ._registry import read_saved as read_saved
from ._registry import register_sampler as register_sampler
