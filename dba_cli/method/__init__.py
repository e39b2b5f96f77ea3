"""The method: choosing, for each layer, the samples of a batch that make the best update step.

Public: `DynamicBatch`, what its ``backward`` returns, and the registries of metrics, orders and
rules (mappings from name to entry, sorted by name).
"""

from . import _coresets as _coresets
from . import _greedy as _greedy
from ._dynamic_batch import DynamicBatch as DynamicBatch
from ._errors import NonFiniteError as NonFiniteError
from ._limits import SizeLimits as SizeLimits
from ._metrics import METRICS as METRICS
from ._metrics import register_metric as register_metric
from ._orders import ORDERS as ORDERS
from ._orders import register_order as register_order
from ._problem import SelectionProblem as SelectionProblem
from ._rules import RULES as RULES
from ._rules import register_rule as register_rule
from ._selection import Selection as Selection
from ._statistics import SubsetStatistics as SubsetStatistics

__all__ = [
    "METRICS",
    "ORDERS",
    "RULES",
    "DynamicBatch",
    "NonFiniteError",
    "Selection",
    "SelectionProblem",
    "SizeLimits",
    "SubsetStatistics",
    "metric_names",
    "order_names",
    "register_metric",
    "register_order",
    "register_rule",
    "rule_names",
]


def metric_names() -> list[str]:
    """Names accepted as ``metric``, sorted."""
    return list(METRICS)


def order_names() -> list[str]:
    """Names accepted as ``order``, sorted."""
    return list(ORDERS)


def rule_names() -> list[str]:
    """Names accepted as ``rule``, sorted."""
    return list(RULES)
