"""Dynamic Batch Adaptation (arXiv 2208.00815): an experiment runner, and the method for your own loop.

The public Python interface: ``DynamicBatch`` and what its ``backward`` returns; ``register_...``, by which
your own functions get a name; ``try_data``, which says whether DBA helps on your data; ``run``, ``sweep`` and
``compare``, which do what the commands do and return pandas frames. Bad input raises ``UserError``. A name is
imported when it is first used, so that ``dba --help`` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dba_cli.api import audit as audit
    from dba_cli.api import compare as compare
    from dba_cli.api import predict as predict
    from dba_cli.api import run as run
    from dba_cli.api import sweep as sweep
    from dba_cli.api import try_data as try_data
    from dba_cli.api import tune as tune
    from dba_cli.data import register_dataset as register_dataset
    from dba_cli.errors import UserError as UserError
    from dba_cli.experiments import Tracker as Tracker
    from dba_cli.losses import register_loss as register_loss
    from dba_cli.method import DynamicBatch as DynamicBatch
    from dba_cli.method import Selection as Selection
    from dba_cli.method import SelectionProblem as SelectionProblem
    from dba_cli.method import register_metric as register_metric
    from dba_cli.method import register_order as register_order
    from dba_cli.method import register_remembered as register_remembered
    from dba_cli.method import register_rule as register_rule
    from dba_cli.method import register_sampler as register_sampler
    from dba_cli.models import register_model as register_model

__version__ = "0.2.0"

_HOME = {
    **dict.fromkeys(("audit", "compare", "predict", "run", "sweep", "try_data", "tune"), "api"),
    **dict.fromkeys(("DynamicBatch", "Selection", "SelectionProblem"), "method"),
    **dict.fromkeys(("register_metric", "register_order", "register_remembered"), "method"),
    **dict.fromkeys(("register_rule", "register_sampler"), "method"),
    "Tracker": "experiments",
    "UserError": "errors",
    "register_dataset": "data",
    "register_loss": "losses",
    "register_model": "models",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
