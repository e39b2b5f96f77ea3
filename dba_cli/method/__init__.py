"""The method: choosing, for each layer, the samples of a batch that make the best update step.

Public: `DynamicBatch`, what its ``backward`` returns, and the registries of metrics, orders, rules and
samplers, each open to a user's own functions by a ``register_...``.
"""

from . import _coresets as _coresets
from ._dynamic_batch import DynamicBatch as DynamicBatch
from ._layer_gradients import Explicit as Explicit
from ._layer_gradients import LayerGradients as LayerGradients
from ._layer_gradients import OuterProducts as OuterProducts
from ._layers import NonFiniteError as NonFiniteError
from ._limits import SizeLimits as SizeLimits
from ._memory import REMEMBERED as REMEMBERED
from ._memory import register_remembered as register_remembered
from ._metrics import METRICS as METRICS
from ._metrics import SubsetStatistics as SubsetStatistics
from ._metrics import register_metric as register_metric
from ._orders import ORDERS as ORDERS
from ._orders import register_order as register_order
from ._problem import SelectionProblem as SelectionProblem
from ._products import Linear as Linear
from ._products import use_fast_products as use_fast_products
from ._registry import Registry as Registry
from ._rules import RULES as RULES
from ._rules import register_rule as register_rule
from ._samplers import NotServed as NotServed
from ._samplers import Use as Use
from ._samplers import register_sampler as register_sampler
from ._selection import Selection as Selection
from ._tracing import coupling as coupling
