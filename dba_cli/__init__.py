"""Dynamic Batch Adaptation (arXiv 2208.00815): an experiment runner, and the method for your own loop.

``from dba_cli import DynamicBatch`` is the whole public Python interface; everything else serves the
``dba`` command. The names are resolved on first use, so that ``dba --help`` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dba_cli.method import DynamicBatch as DynamicBatch
    from dba_cli.method import Selection as Selection

__version__ = "0.1.0"
__all__ = ["DynamicBatch", "Selection", "__version__"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("dba_cli.method"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
