"""Normalization layers: a learned scale and shift of a normalized input."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
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
    return _scale_and_shift(module, gradient, normalized, channels_first=False)


@register_sampler(nn.RMSNorm)
def rms_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """RMSNorm: scale over the last axes."""
    module = call.module
    assert isinstance(module, nn.RMSNorm)
    # Without a given epsilon, torch takes that of the input's type.
    eps = module.eps if module.eps is not None else torch.finfo(call.input.dtype).eps
    normalized = F.rms_norm(call.input.to(gradient.dtype), list(module.normalized_shape), eps=eps)
    return _scale_and_shift(module, gradient, normalized, channels_first=False)


@register_sampler(nn.GroupNorm)
def group_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """GroupNorm: scale and shift per channel."""
    module = call.module
    assert isinstance(module, nn.GroupNorm)
    normalized = F.group_norm(call.input.to(gradient.dtype), module.num_groups, eps=module.eps)
    return _scale_and_shift(module, gradient, normalized)


@register_sampler(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
def instance_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """InstanceNorm: scale and shift per channel; statistics of the instance, or running ones."""
    module = call.module
    assert isinstance(module, _InstanceNorm)
    if call.training or not module.track_running_stats:
        normalized = F.instance_norm(call.input.to(gradient.dtype), eps=module.eps)
    else:
        normalized = _standardized(call.input.to(gradient.dtype), module)
    return _scale_and_shift(module, gradient, normalized)


@register_sampler(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
def batch_norm(call: Call, gradient: Tensor) -> LayerGradients:
    """BatchNorm in evaluation mode: scale and shift per channel."""
    module = call.module
    assert isinstance(module, _BatchNorm)
    if call.training or module.running_mean is None:
        raise ValueError(
            "it normalizes by the statistics of the batch, so a sample has no gradient of its own; put it in "
            "evaluation mode (.eval(), it then uses running statistics) or replace it by nn.GroupNorm"
        )
    return _scale_and_shift(module, gradient, _standardized(call.input.to(gradient.dtype), module))


def _standardized(x: Tensor, module: _NormBase) -> Tensor:
    assert module.running_mean is not None
    assert module.running_var is not None
    return F.batch_norm(x, module.running_mean.to(x), module.running_var.to(x), eps=module.eps)


def _scale_and_shift(
    module: nn.Module, gradient: Tensor, normalized: Tensor, *, channels_first: bool = True
) -> Explicit:
    """Sums over the axes that the parameters lack: those after the channels, or those before the last."""
    gradients = {}
    for name, values in (("weight", gradient * normalized), ("bias", gradient)):
        parameter = trainable(getattr(module, name, None))
        if parameter is not None:
            n, shape = len(values), parameter.shape
            if channels_first:
                gradients[parameter] = values.reshape(n, *shape, -1).sum(-1)
            else:
                gradients[parameter] = values.reshape(n, -1, *shape).sum(1)
    return Explicit(gradients)
