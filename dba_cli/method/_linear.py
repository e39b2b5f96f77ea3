"""A linear layer on the product that the selection itself uses, so that plain training is as quick."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ._products import is_faster, row_products


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
        if x.dim() == 2 and not torch.is_autocast_enabled(x.device.type) and is_faster(x, self.weight):
            return _Product.apply(x, self.weight, self.bias)  # type: ignore[no-any-return,no-untyped-call]
        return F.linear(x, self.weight, self.bias)


def use_fast_products(model: nn.Module) -> None:
    """Turn every ``torch.nn.Linear`` of ``model``, no subclass, into a `Linear`; its weights stay."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
