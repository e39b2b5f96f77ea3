"""Which sampler serves which type of module."""

from collections.abc import Callable

from torch import Tensor, nn

from .._capture import Call, is_opaque
from .._layer_gradients import LayerGradients

Sampler = Callable[[Call, Tensor], LayerGradients]
SAMPLERS: dict[type[nn.Module], Sampler] = {}


def sampler_for(*types: type[nn.Module]) -> Callable[[Sampler], Sampler]:
    """Register how to get the per-sample gradients of modules of these types.

    The decorated function maps a recorded call and the gradient of the losses' sum with respect to the
    call's output to `LayerGradients`. It may raise ValueError with the reason why there are none.
    """

    def register(sampler: Sampler) -> Sampler:
        SAMPLERS.update(dict.fromkeys(types, sampler))
        return sampler

    return register


def sampler_of(module: nn.Module) -> Sampler | None:
    """The sampler registered for the module's type, or for a base class whose ``forward`` it keeps."""
    if is_opaque(module):
        return None  # Its weight may be computed rather than learned.
    kind = type(module)
    for base in kind.__mro__:
        if base in SAMPLERS and kind.forward is base.forward:
            return SAMPLERS[base]
    return None


def trainable(parameter: Tensor | None) -> nn.Parameter | None:
    """The parameter, or None where there is none or it is frozen."""
    return parameter if isinstance(parameter, nn.Parameter) and parameter.requires_grad else None
