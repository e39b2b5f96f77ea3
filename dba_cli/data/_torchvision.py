"""Import torchvision also where its C++ operators do not load.

torchvision's PyPI wheel is a CUDA build. Beside a CPU-only torch its shared library cannot be loaded, the
operators it would have registered are missing, and ``import torchvision`` stops with "operator
torchvision::nms does not exist" although datasets and transforms need no operator at all.
"""

import functools
import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

import torch

from dba_cli.errors import UserError


def import_torchvision() -> ModuleType:
    """Return the ``torchvision`` package without a warning, its operators declared where that is necessary.

    Raises:
        UserError: torchvision is not installed, or does not fit the installed torch.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            try:
                return importlib.import_module("torchvision")
            except RuntimeError as error:
                if "operator torchvision::" not in str(error):
                    raise
            _forget("torchvision")
            _declare_operators()
            return importlib.import_module("torchvision")
        except (ImportError, RuntimeError) as error:
            _forget("torchvision")
            reason = " ".join(str(error).split())
            raise UserError(
                f"torchvision does not import beside torch {torch.__version__} ({reason}): install the"
                " torchvision release that belongs to this torch"
            ) from error


def _forget(package: str) -> None:
    """Drop the sub-modules that a failed import left: a second one would never bind them to the package."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


@functools.cache
def _declare_operators() -> Any:
    """Declare the operators that torchvision describes at import; a schema is all that it needs of them.

    The cache keeps the library: the schemas live only as long as it does.
    """
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
