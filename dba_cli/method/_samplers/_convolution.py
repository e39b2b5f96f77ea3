"""Convolutions: outer products of output gradient and input patch, summed over output positions."""

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from .._capture import Call
from .._gram import BLOCK, explicit_gram, pairs_are_cheaper
from .._layer_gradients import Gradients, LayerGradients, OuterProducts, worth_multiplying
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
        n, outputs, positions = self._gradient.flatten(2).shape
        features = self._module.weight[0].numel()
        ungrouped = self._weight is not None and self._module.groups == 1
        if ungrouped and pairs_are_cheaper(n, positions, outputs, features):
            left = self._gradient.flatten(2).mT.contiguous()
            right = self._patches(0, self._x.shape[1]).mT.contiguous()
            OuterProducts(left, right, self._weight, self._bias).write_gram(out)
        else:
            explicit_gram(self._slabs(), out)

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

    def _slabs(self) -> Iterator[Tensor]:
        """Per-sample gradients of a few input channels at a time, whose patches are small."""
        gradient = self._gradient.flatten(2)
        if self._bias is not None:
            yield gradient.sum(2)
        if self._weight is None:
            return
        n, outputs, positions = gradient.shape
        groups, channels = self._module.groups, self._weight.shape[1]
        window = self._weight[0, 0].numel()
        size = max(1, BLOCK // (n * window * max(positions, outputs // groups)))
        for group in range(groups):
            left = gradient[:, group * outputs // groups : (group + 1) * outputs // groups]
            for first in range(group * channels, (group + 1) * channels, size):
                last = min(first + size, (group + 1) * channels)
                yield (left @ self._patches(first, last).mT).flatten(1)

    def weighted_sum(self, weights: Tensor) -> Gradients:
        x, gradient = self._x, self._gradient
        chosen = worth_multiplying(weights)
        if chosen is not None:
            x, gradient, weights = x[chosen], gradient[chosen], weights[chosen]
        gradient = gradient * weights.view(-1, *(1,) * (gradient.ndim - 1))
        gradients: Gradients = {}
        if self._weight is not None:
            gradients[self._weight] = self._kernel_gradient(x, gradient)
        if self._bias is not None:
            gradients[self._bias] = gradient.flatten(2).sum((0, 2))
        return gradients

    def _kernel_gradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        module = self._module
        space = len(module.kernel_size)
        _, kernel_gradient, _ = torch.ops.aten.convolution_backward(
            gradient,
            x,
            module.weight.to(x.dtype),
            None,
            module.stride,
            [0] * space,
            module.dilation,
            False,
            [0] * space,
            module.groups,
            (False, True, False),
        )
        return cast(Tensor, kernel_gradient)

    def explicit(self) -> Gradients:
        n = len(self._x)
        gradients: Gradients = {}
        if self._weight is not None:
            groups, channels = self._module.groups, self._weight.shape[1]
            left = self._gradient.flatten(2).chunk(groups, dim=1)
            patches = [self._patches(g * channels, (g + 1) * channels) for g in range(groups)]
            kernels = [part @ patch.mT for part, patch in zip(left, patches, strict=True)]
            gradients[self._weight] = torch.cat(kernels, 1).view(n, *self._weight.shape)
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
