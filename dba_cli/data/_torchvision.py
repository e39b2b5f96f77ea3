"""Import torchvision also where its C++ operators do not load.

torchvision's PyPI wheel is a CUDA build. Beside a CPU-only torch its shared library cannot be loaded, the
operators it would have registered are missing, and ``import torchvision`` stops with "operator
torchvision::nms does not exist" although datasets and transforms need no operator at all.
"""

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

import torch

from dba_cli.errors import UserError, one_line

# The schemas live only as long as the library that declares them.
_OPERATORS: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]


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
            # What the failed import left: a second one would never bind it to the package.
            for name in [name for name in sys.modules if name.startswith("torchvision.")]:
                del sys.modules[name]
            for operator in ("nms", "qnms"):  # those that it describes at import, by their schema alone
                _OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            return importlib.import_module("torchvision")
        except (ImportError, RuntimeError) as error:
            reason = one_line(error)
            raise UserError(
                f"torchvision does not import beside torch {torch.__version__} ({reason}): install the"
                " torchvision release that belongs to this torch"
            ) from error
