"""Normalization layers: a learned scale and shift of a normalized input."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from .._capture import Call
from .._layer_gradients import Explicit, LayerGradients
from ._registry import register_sampler, trainable


@register_sampler(nn.LayerNorm)
def layer_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """LayerNorm: scale and shift over the last axes."""
    module = call.module
    assert isinstance(module, nn.LayerNorm)
    normalized = F.layer_norm(call.input.to(gradient.dtype), module.normalized_shape, eps=module.eps)
    return _trailing(module.weight, module.bias, gradient, normalized)


if hasattr(nn, "RMSNorm"):  # from torch 2.4 on

    @register_sampler(nn.RMSNorm)
    def rms_norm(call: Call, gradient: Tensor) -> LayerGradients:
        """RMSNorm: scale over the last axes."""
        module = call.module
        assert isinstance(module, nn.RMSNorm)
        # Without a given epsilon, torch takes that of the input's type.
        eps = module.eps if module.eps is not None else torch.finfo(call.input.dtype).eps
        normalized = F.rms_norm(call.input.to(gradient.dtype), list(module.normalized_shape), eps=eps)
        return _trailing(module.weight, None, gradient, normalized)


@register_sampler(nn.GroupNorm)
def group_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """GroupNorm: scale and shift per channel."""
    module = call.module
    assert isinstance(module, nn.GroupNorm)
    normalized = F.group_norm(call.input.to(gradient.dtype), module.num_groups, eps=module.eps)
    return _per_channel(module.weight, module.bias, gradient, normalized)


@register_sampler(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
def instance_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """InstanceNorm: scale and shift per channel; statistics of the instance, or running ones."""
    module = call.module
    assert isinstance(module, _InstanceNorm)
    x = call.input.to(gradient.dtype)
    if call.training or not module.track_running_stats:
        normalized = F.instance_norm(x, eps=module.eps)
    else:
        normalized = _standardized(x, module.running_mean, module.running_var, module.eps)
    return _per_channel(module.weight, module.bias, gradient, normalized)


@register_sampler(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
def batch_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """BatchNorm in evaluation mode: scale and shift per channel.

    Raises:
        ValueError: it normalized by the batch, so that every loss depends on every sample.
    """
    module = call.module
    assert isinstance(module, _BatchNorm)
    if call.training or module.running_mean is None:
        raise ValueError(
            "it normalizes by the statistics of the batch, so a sample has no gradient of its own; put it in "
            "evaluation mode (.eval(), it then uses running statistics) or replace it by nn.GroupNorm"
        )
    x = call.input.to(gradient.dtype)
    normalized = _standardized(x, module.running_mean, module.running_var, module.eps)
    return _per_channel(module.weight, module.bias, gradient, normalized)


def _standardized(x: Tensor, mean: Tensor | None, variance: Tensor | None, eps: float) -> Tensor:
    assert mean is not None
    assert variance is not None
    shape = (1, -1) + (1,) * (x.ndim - 2)
    scale = (variance.to(x.dtype) + eps).rsqrt()
    return (x - mean.to(x.dtype).view(shape)) * scale.view(shape)


def _trailing(weight: Tensor | None, bias: Tensor | None, gradient: Tensor, normalized: Tensor) -> Explicit:
    """Sum over the axes between the samples and those of the parameter."""

    def reduced(values: Tensor, parameter: Tensor) -> Tensor:
        return values.reshape(len(values), -1, *parameter.shape).sum(1)

    gradients = {}
    if (scale := trainable(weight)) is not None:
        gradients[scale] = reduced(gradient * normalized, scale)
    if (shift := trainable(bias)) is not None:
        gradients[shift] = reduced(gradient, shift)
    return Explicit(gradients)


def _per_channel(
    weight: Tensor | None, bias: Tensor | None, gradient: Tensor, normalized: Tensor
) -> Explicit:
    """Sum over all axes but those of samples and channels."""
    gradients = {}
    if (scale := trainable(weight)) is not None:
        gradients[scale] = (
            (gradient * normalized).flatten(2).sum(2) if gradient.ndim > 2 else gradient * normalized
        )
    if (shift := trainable(bias)) is not None:
        gradients[shift] = gradient.flatten(2).sum(2) if gradient.ndim > 2 else gradient
    return Explicit(gradients)
