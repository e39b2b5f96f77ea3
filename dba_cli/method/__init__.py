"""The method: choosing, for each layer, the samples of a batch that make the best update step.

Public: `DynamicBatch`, what its ``backward`` returns, and the registries of metrics, orders and rules.
"""

from . import _coresets as _coresets
from . import _greedy as _greedy
from ._dynamic_batch import DynamicBatch as DynamicBatch
from ._metrics import METRICS, register_metric
from ._orders import ORDERS, register_order
from ._problem import SelectionProblem as SelectionProblem
from ._rules import RULES, register_rule
from ._selection import Selection as Selection
from ._statistics import SubsetStatistics as SubsetStatistics

__all__ = [
    "DynamicBatch",
    "Selection",
    "SelectionProblem",
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
