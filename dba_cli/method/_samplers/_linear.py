"""Linear layers."""

from torch import Tensor, nn

from .._capture import Call
from .._layer_gradients import LayerGradients, OuterProducts
from .._products import Linear
from ._registry import register_sampler, trainable


@register_sampler(nn.Linear, Linear)
def linear(call: Call, gradient: Tensor) -> LayerGradients:
    """Linear: ``g_i`` sums outer products of output gradient and input over all axes in between."""
    module = call.module
    assert isinstance(module, nn.Linear)
    n = len(gradient)
    left = gradient.reshape(n, -1, module.out_features)
    right = call.input.to(gradient.dtype).reshape(n, -1, module.in_features)
    return OuterProducts(left, right, trainable(module.weight), trainable(module.bias))
