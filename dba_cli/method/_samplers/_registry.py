"""Which sampler serves which type of module."""

from collections.abc import Callable

from torch import Tensor, nn

from .._capture import Call, is_opaque
from .._layer_gradients import LayerGradients

Sampler = Callable[[Call, Tensor], LayerGradients]
SAMPLERS: dict[type[nn.Module], Sampler] = {}


def register_sampler(*types: type[nn.Module]) -> Callable[[Sampler], Sampler]:
    """Register how to get the per-sample gradients of modules of these types.

    The decorated function is given a recorded `Call` of a module (``call.module``; ``call.input``, its first
    argument, of shape (n, ...); ``call.args`` and ``call.kwargs``) and the gradient of the losses' sum with
    respect to the call's output, of the output's shape (n, ...). It returns the `LayerGradients` of the
    module's trainable parameters: `OuterProducts` for a matrix that multiplies its input, `Explicit` for
    gradients that are small enough to be stored, or a subclass of your own. It may raise ValueError with the
    reason why a sample has no gradient of its own.

    Serves subclasses too, as long as they keep the type's ``forward``. Modules without a sampler are replayed
    sample by sample.

    Raises:
        ValueError: a type has a sampler already.
    """

    def register(sampler: Sampler) -> Sampler:
        for kind in types:
            if kind in SAMPLERS:
                raise ValueError(f"{kind.__name__} has a sampler already; register one for a subclass of it")
            SAMPLERS[kind] = sampler
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
