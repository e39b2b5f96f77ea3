"""The matrix product behind Gram matrices and weight gradients, and a linear layer that trains on it."""

from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_WORTH_IT = 1 << 19
"""Multiply-adds below which the kernel's own overhead is the larger part."""


def row_products(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of all rows, ``a b'``: (m, k) and (n, k) to (m, n).

    In float32 on a CPU this is oneDNN's kernel where this build of torch has it: on some processors it is
    twice as fast as the BLAS behind ``@``. ``torch.backends.mkldnn.flags(enabled=False)`` turns it off.
    What is to be differentiated goes to ``@``.
    """
    if not is_faster(a, b) or (torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)):
        return a @ b.t()
    return _onednn(_dense(a), _dense(b))


def is_faster(a: Tensor, b: Tensor, worth_it: int = _WORTH_IT) -> bool:
    """Whether oneDNN's kernel takes the product ``a b'``, and it has so many multiply-adds."""
    if a.shape[0] * b.numel() < worth_it or a.dtype != torch.float32 or b.dtype != torch.float32:
        return False
    return a.is_cpu and bool(torch.backends.mkldnn.enabled) and _onednn_works()


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


class _Product(torch.autograd.Function):
    """``x W' + b`` for x of shape (n, q), W of shape (p, q) and b of shape (p,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        product = row_products(x, weight)
        return product if bias is None else product.add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wanted = [_is_wanted(ctx, number) for number in range(3)]
        return (
            row_products(gradient, weight.t()) if wanted[0] else None,
            row_products(gradient.t(), x.t()) if wanted[1] else None,
            gradient.sum(0) if wanted[2] else None,
        )


def _is_wanted(ctx: Any, number: int) -> bool:
    # needs_input_grad says what may be asked for; selection asks for outputs alone, and never for weights.
    if not ctx.needs_input_grad[number]:
        return False
    try:
        return bool(torch._C._will_engine_execute_node(ctx.next_functions[number][0]))
    except (AttributeError, RuntimeError):  # not in this torch, or the very leaf that autograd.grad asks for
        return True


class Linear(nn.Linear):
    """``torch.nn.Linear``, equal up to rounding, on oneDNN's float32 product where that is the faster one.

    On a CPU, and for inputs of shape (n, in_features) that are large enough; anything else is PyTorch's own.
    It cannot be differentiated twice.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in_features) to (n, out_features)."""
        if x.dim() == 2 and is_faster(x, self.weight) and not torch.is_autocast_enabled(x.device.type):
            return _Product.apply(x, self.weight, self.bias)  # type: ignore[no-any-return,no-untyped-call]
        return F.linear(x, self.weight, self.bias)


def use_fast_products(model: nn.Module) -> None:
    """Turn every ``torch.nn.Linear`` of ``model``, no subclass, into a `Linear`; its weights stay."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
