"""Per-sample gradients of one layer, in a form that needs no gradient per sample."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ._capture import Call
from ._gram import outer_product_gram

Gradients = dict[nn.Parameter, Tensor]


class LayerGradients(ABC):
    """The per-sample gradients g_i of one layer's trainable parameters, n of them."""

    @abstractmethod
    def write_gram(self, out: Tensor) -> None:
        """Write ``K_ij = <g_i, g_j>`` into `out`, (n, n)."""

    @abstractmethod
    def weighted_sum(self, weights: Tensor) -> Gradients:
        """``sum_i w_i g_i`` for each parameter; `weights` has shape (n,)."""


class OuterProducts(LayerGradients):
    """Gradients ``g_i = left_i right_i'`` of a matrix, and ``left_i`` of its bias."""

    def __init__(
        self, left: Tensor, right: Tensor, weight: nn.Parameter | None, bias: nn.Parameter | None
    ) -> None:
        self._left = left
        self._right = right
        self._weight = weight
        self._bias = bias

    def write_gram(self, out: Tensor) -> None:
        right = self._right if self._weight is not None else None
        outer_product_gram(self._left, right, self._bias is not None, out)

    def weighted_sum(self, weights: Tensor) -> Gradients:
        left, right = self._left, self._right
        if weights.device.type == "cpu":
            # Weight zero needs no arithmetic. (Elsewhere, counting would wait for the device.)
            chosen = weights.nonzero().squeeze(-1)
            if 10 * len(chosen) < 9 * len(weights):
                left, right, weights = left[chosen], right[chosen], weights[chosen]
        gradients: Gradients = {}
        if self._weight is not None:
            gradients[self._weight] = (left * weights.unsqueeze(-1)).t() @ right
        if self._bias is not None:
            gradients[self._bias] = weights @ left
        return gradients


Sampler = Callable[[Call, Tensor], LayerGradients]
SAMPLERS: dict[type[nn.Module], Sampler] = {}


def sampler_for(*types: type[nn.Module]) -> Callable[[Sampler], Sampler]:
    """Register how to get the per-sample gradients of modules of these types.

    The decorated function maps a recorded call and the gradient of the losses' sum with respect to the
    call's output to `LayerGradients`.
    """

    def register(sampler: Sampler) -> Sampler:
        SAMPLERS.update(dict.fromkeys(types, sampler))
        return sampler

    return register


def trainable(parameter: Tensor | None) -> nn.Parameter | None:
    """The parameter, or None where there is none or it is frozen."""
    return parameter if isinstance(parameter, nn.Parameter) and parameter.requires_grad else None


@sampler_for(nn.Linear)
def linear(call: Call, output_gradient: Tensor) -> LayerGradients:
    """Linear: ``y = x W' + b``, so ``g_i`` is the outer product of output gradient and input."""
    module = call.module
    assert isinstance(module, nn.Linear)
    dtype = torch.promote_types(output_gradient.dtype, module.weight.dtype)
    return OuterProducts(
        output_gradient.to(dtype), call.input.to(dtype), trainable(module.weight), trainable(module.bias)
    )
