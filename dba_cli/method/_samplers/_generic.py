"""Any other module: its own gradient, replayed for every sample by `torch.func.vmap`."""

import warnings
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.func import functional_call, vjp, vmap
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from .._capture import Call, own_parameters
from .._layer_gradients import Explicit, LayerGradients


def generic(call: Call, gradients: Sequence[Tensor | None]) -> LayerGradients:
    """Per-sample gradients of any module from its recorded arguments and output gradients.

    Tensor arguments whose first axis is as long as the batch are taken apart by samples, all others are
    given to every sample. Where vmap cannot trace the module, samples are replayed one after the other.
    Gradients are None for outputs that the losses do not use.
    """
    used = [k for k, g in enumerate(gradients) if g is not None]
    cotangents = [g for g in gradients if g is not None]
    n, dtype, device = len(cotangents[0]), cotangents[0].dtype, cotangents[0].device
    parameters = {name: p for name, p in own_parameters(call.module).items() if p.requires_grad}
    leaves, structure = tree_flatten((call.args, dict(call.kwargs)))
    axes = [0 if isinstance(a, Tensor) and a.ndim and len(a) == n else None for a in leaves]

    def sample_gradient(leaves: list[Any], cotangents: list[Tensor]) -> dict[str, Tensor]:
        one = [a if axis is None else a.unsqueeze(0) for a, axis in zip(leaves, axes, strict=True)]
        args, kwargs = tree_unflatten(one, structure)

        def outputs(parameters: dict[str, Tensor]) -> list[Tensor]:
            output = functional_call(call.module, parameters, args, kwargs)
            tensors = [o for o in tree_flatten(output)[0] if isinstance(o, Tensor)]
            return [tensors[k] for k in used]

        made, pull, *_ = vjp(outputs, {name: p.detach() for name, p in parameters.items()})
        ones = [c.unsqueeze(0).to(m.dtype) for c, m in zip(cotangents, made, strict=True)]
        return cast(dict[str, Tensor], pull(ones)[0])

    state = _random_state(device)
    # The replay is differentiated: where no gradient is wanted, fused kernels (oneDNN's LSTM) keep nothing
    # to go back with.
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        try:
            found = vmap(sample_gradient, in_dims=(axes, 0), randomness="same")(leaves, cotangents)
        except RuntimeError:
            samples = [
                sample_gradient(
                    [a if axis is None else a[i] for a, axis in zip(leaves, axes, strict=True)],
                    [c[i] for c in cotangents],
                )
                for i in range(n)
            ]
            found = tree_map(lambda *g: torch.stack(g), *samples)
    if not torch.equal(state, _random_state(device)):
        raise ValueError(
            f"{type(call.module).__name__} draws random numbers (dropout?), which a replay cannot repeat; "
            "set its dropout to 0 or use nn.Dropout modules outside it"
        )
    return Explicit({p: found[name].to(dtype) for name, p in parameters.items()})


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
