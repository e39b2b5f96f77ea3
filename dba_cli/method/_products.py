"""The matrix product behind Gram matrices and weight gradients."""

from functools import cache
from typing import cast

import torch
from torch import Tensor

_WORTH_IT = 1 << 19
"""Multiply-adds below which the kernel's own overhead is the larger part."""


def row_products(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of all rows, ``a b'``: (m, k) and (n, k) to (m, n).

    In float32 on a CPU this is oneDNN's kernel where this build of torch has it: on some processors it is
    twice as fast as the BLAS behind ``@``. ``torch.backends.mkldnn.flags(enabled=False)`` turns it off.
    """
    return _onednn(_dense(a), _dense(b)) if is_faster(a, b) else a @ b.t()


def is_faster(a: Tensor, b: Tensor) -> bool:
    """Whether oneDNN's kernel takes the product ``a b'``, and the product is large enough for it to pay."""
    if not a.dtype == b.dtype == torch.float32 or a.device.type != "cpu":
        return False
    heavy = a.shape[0] * a.shape[1] * b.shape[0] >= _WORTH_IT
    return heavy and bool(torch.backends.mkldnn.enabled) and _onednn_works()


def _onednn(a: Tensor, b: Tensor) -> Tensor:
    # What torch.compile emits for a linear layer; no public function reaches the kernel in float32.
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))


def _dense(x: Tensor) -> Tensor:
    # Rows with gaps between them take oneDNN off its fast path, a thousandfold.
    return x if x.is_contiguous() or x.t().is_contiguous() else x.contiguous()


@cache
def _onednn_works() -> bool:
    """Whether the operator exists here and means what it is taken for."""
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
    try:
        return torch.equal(_onednn(a, b), a @ b.t())
    except (AttributeError, RuntimeError):
        return False
