"""Sums, products and normalizations: a parameter of few elements, broadcast along the samples."""

from collections.abc import Callable

from torch import Tensor

from .._layer_gradients import Explicit, LayerGradients
from ._registry import NotServed, Use, register_sampler

# By node and operand: gradient of the operand as if it had the output's shape, before sums over its own axes.
_TERMS: dict[str, tuple[tuple[str, ...], tuple[Callable[[Use], Tensor], ...]]] = {
    "AddBackward0": (("alpha",), (lambda u: u.gradient, lambda u: u.gradient * u.saved["alpha"])),
    "SubBackward0": (("alpha",), (lambda u: u.gradient, lambda u: u.gradient * -u.saved["alpha"])),
    "MulBackward0": (
        ("self", "other"),
        (lambda u: u.gradient * u.saved["other"], lambda u: u.gradient * u.saved["self"]),
    ),
    "AddcmulBackward0": (
        ("tensor1", "tensor2", "value"),
        (
            lambda u: u.gradient,
            lambda u: u.gradient * u.saved["tensor2"] * u.saved["value"],
            lambda u: u.gradient * u.saved["tensor1"] * u.saved["value"],
        ),
    ),
    "ExpandBackward0": ((), (lambda u: u.gradient,)),
    "PreluKernelBackward0": (
        ("self",),
        (lambda u: _never(), lambda u: u.gradient * u.saved["self"].clamp_max(0)),
    ),
}


def _never() -> Tensor:
    raise NotServed


def _broadcast(terms: tuple[Callable[[Use], Tensor], ...]) -> Callable[[Use], list[LayerGradients]]:
    def sampler(use: Use) -> list[LayerGradients]:
        return [
            Explicit({p.tensor: use.summed(terms[number](use), number)})
            for number, p in use.parameters.items()
        ]

    return sampler


for _name, (_saved, _terms) in _TERMS.items():
    register_sampler(_name, saved=_saved)(_broadcast(_terms))


@register_sampler("NativeLayerNormBackward0", saved=("input", "result1", "result2"))
def layer_norm(use: Use) -> list[LayerGradients]:
    """Scale and shift over the last axes."""
    x, mean, rstd = (use.saved[key].to(use.gradient.dtype) for key in ("input", "result1", "result2"))
    return _scale_and_shift(use, (x - mean) * rstd, None)


@register_sampler("NativeGroupNormBackward0", saved=("input", "result1", "result2", "group"))
def group_norm(use: Use) -> list[LayerGradients]:
    """Scale and shift per channel."""
    x, mean, rstd = (use.saved[key].to(use.gradient.dtype) for key in ("input", "result1", "result2"))
    grouped = x.reshape(len(x), use.saved["group"], -1)
    normalized = ((grouped - mean.unsqueeze(2)) * rstd.unsqueeze(2)).view_as(x)
    return _scale_and_shift(use, normalized, (x.shape[1], *(1,) * (x.ndim - 2)))


@register_sampler(
    "NativeBatchNormBackward0",
    saved=("input", "running_mean", "running_var", "result1", "result2", "training", "eps"),
)
def batch_norm(use: Use) -> list[LayerGradients]:
    """Scale and shift per channel, by running statistics or by those of the batch."""
    x = use.saved["input"].to(use.gradient.dtype)
    if use.saved["training"]:
        mean, rstd = use.saved["result1"], use.saved["result2"]
    else:
        mean, rstd = use.saved["running_mean"], (use.saved["running_var"] + use.saved["eps"]).rsqrt()
    shape = (x.shape[1], *(1,) * (x.ndim - 2))
    return _scale_and_shift(use, (x - mean.to(x).view(shape)) * rstd.to(x).view(shape), shape)


def _scale_and_shift(use: Use, normalized: Tensor, shape: tuple[int, ...] | None) -> list[LayerGradients]:
    gradients = {}
    if 1 in use.parameters:
        gradients[use.parameters[1].tensor] = use.summed(use.gradient * normalized, 1, shape)
    if 2 in use.parameters:
        gradients[use.parameters[2].tensor] = use.summed(use.gradient, 2, shape)
    if len(gradients) < len(use.parameters):
        raise NotServed  # the input is shared, or couples samples
    return [Explicit(gradients)]


@register_sampler("RepeatBackward0", saved=("repeats",))
def repeat(use: Use) -> list[LayerGradients]:
    """InstanceNorm's scale and shift, repeated for every sample."""
    parameter = use.parameters[0].tensor
    if use.rows.axis or not use.rows.major or parameter.ndim != 1 or len(use.saved["repeats"]) != 1:
        raise NotServed
    gradients = use.split(use.gradient).reshape(use.samples, -1, *parameter.shape).sum(1)
    return [Explicit({parameter: gradients})]
