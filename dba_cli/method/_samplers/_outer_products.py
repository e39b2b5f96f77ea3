"""Linear layers and convolutions: outer products of output gradient and input, summed over positions."""

from collections.abc import Iterator
from itertools import chain

import torch
import torch.nn.functional as F
import torch.nn.grad
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from .._capture import Call
from .._gram import BLOCK, explicit_gram, pair_cost, slab_cost
from .._layer_gradients import Gradients, LayerGradients, OuterProducts, weighted
from .._products import Linear
from ._registry import register_sampler, trainable


class ConvolutionGradients(LayerGradients):
    """Gradients of a convolution's kernel and bias.

    Args:
        module: the convolution, in one, two or three dimensions.
        x: its input, (n, channels, *space), padded.
        gradient: gradient of its output, (n, outputs, *positions).
    """

    def __init__(self, module: _ConvNd, x: Tensor, gradient: Tensor) -> None:
        self._module = module
        self._x = x
        self._gradient = gradient
        self._positions = gradient[0, 0].numel()
        self._weight = trainable(module.weight)
        self._bias = trainable(module.bias)
        self.parameters = tuple(p for p in (self._weight, self._bias) if p is not None)

    def write_gram(self, out: Tensor) -> None:
        gradient = self._gradient.flatten(2)
        n, outputs, positions = gradient.shape
        groups, features = self._module.groups, self._module.weight[0].numel()
        sizes = n, n, positions, outputs, features
        if self._weight is not None and groups == 1 and pair_cost(*sizes) < slab_cost(*sizes):
            right = self._patches(0, self._x.shape[1]).mT.contiguous()
            OuterProducts(gradient.mT.contiguous(), right, self._weight, self._bias).write_gram(out)
        else:
            # A few input channels at a time, whose patches are small.
            window = self._module.weight[0, 0].numel()
            kernels = self._kernels(max(1, BLOCK // (n * window * max(positions, outputs // groups))))
            explicit_gram(chain([gradient.sum(2)] if self._bias is not None else [], kernels), out)

    def _patches(self, first: int, last: int) -> Tensor:
        """Input patches of a range of channels, (n, channels in the range * kernel, positions)."""
        module = self._module
        patches = self._x[:, first:last]
        for axis, (kernel, stride, dilation) in enumerate(
            zip(module.kernel_size, module.stride, module.dilation, strict=True), start=2
        ):
            # A new last axis of the window, of which every `dilation`-th element is used.
            patches = patches.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        space = len(module.kernel_size)
        # (n, channels, *positions, *kernel) to (n, channels, *kernel, *positions): positions last, so that
        # whole rows of the image are copied.
        axes = (0, 1, *range(2 + space, 2 + 2 * space), *range(2, 2 + space))
        patches = patches.permute(axes)
        return patches.reshape(len(patches), -1, self._positions)

    def _kernels(self, size: int) -> Iterator[Tensor]:
        """Per-sample gradients of the kernels of a group's outputs for at most `size` input channels."""
        if self._weight is None:
            return
        channels = self._weight.shape[1]
        for group, left in enumerate(self._gradient.flatten(2).chunk(self._module.groups, 1)):
            for first in range(group * channels, (group + 1) * channels, size):
                last = min(first + size, (group + 1) * channels)
                yield left @ self._patches(first, last).mT

    def weighted_sum(self, weights: Tensor) -> Gradients:
        gradient, x = weighted(weights, self._gradient, self._x)
        gradients: Gradients = {}
        if self._weight is not None:
            m, shape = self._module, self._weight.shape
            kernel_gradient = getattr(torch.nn.grad, f"conv{len(m.kernel_size)}d_weight")
            gradients[self._weight] = kernel_gradient(x, shape, gradient, m.stride, 0, m.dilation, m.groups)
        if self._bias is not None:
            gradients[self._bias] = gradient.flatten(2).sum((0, 2))
        return gradients

    def explicit(self) -> Gradients:
        gradients: Gradients = {}
        if self._weight is not None:
            kernels = torch.cat(list(self._kernels(self._weight.shape[1])), 1)
            gradients[self._weight] = kernels.view(-1, *self._weight.shape)
        if self._bias is not None:
            gradients[self._bias] = self._gradient.flatten(2).sum(2)
        return gradients


@register_sampler(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def convolution(call: Call, gradient: Tensor) -> LayerGradients:
    """Conv1d, Conv2d and Conv3d with any stride, padding, padding mode, dilation and groups."""
    module = call.module
    assert isinstance(module, _ConvNd)
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    x = F.pad(call.input.to(gradient.dtype), module._reversed_padding_repeated_twice, mode=mode)
    return ConvolutionGradients(module, x, gradient)


@register_sampler(nn.Linear, Linear)
def linear(call: Call, gradient: Tensor) -> LayerGradients:
    """Linear: ``g_i`` sums outer products of output gradient and input over all axes in between."""
    module = call.module
    assert isinstance(module, nn.Linear)
    n = len(gradient)
    left = gradient.reshape(n, -1, module.out_features)
    right = call.input.to(gradient.dtype).reshape(n, -1, module.in_features)
    return OuterProducts(left, right, trainable(module.weight), trainable(module.bias))
