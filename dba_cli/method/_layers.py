"""From a traced loss to the per-sample gradients of every layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from operator import itemgetter

import torch
from torch import Tensor, nn

from ._capture import Call, Trace, own_parameters
from ._layer_gradients import LayerGradients, joined
from ._samplers import generic, sampler_of


@dataclass(frozen=True, slots=True)
class Layer:
    """What gets one selection: a module, or the modules that share a parameter.

    Attributes:
        names: module names, in the model's order.
        gradients: per-sample gradients, those of all the modules' calls together.
    """

    names: tuple[str, ...]
    gradients: LayerGradients


def layers_behind(
    found: Trace,
    gradients: Sequence[Tensor | None],
    names: Mapping[nn.Module, str],
    samples: int,
    dtype: torch.dtype,
) -> list[Layer]:
    """The layers of a loss, in the model's order, from the gradients of its sum for ``found.edges``.

    `names` are those of all watched modules, in the model's order; gradients are computed in `dtype`.
    """
    outputs: dict[Call, list[Tensor | None]] = {}
    for (call, index, count), gradient in zip(found.places, gradients, strict=True):
        if call.module not in names:
            continue  # watched on behalf of another model
        outputs.setdefault(call, [None] * count)[index] = None if gradient is None else gradient.to(dtype)
    place = {module: k for k, module in enumerate(names)}
    group_of: dict[nn.Parameter, list[tuple[int, LayerGradients]]] = {}
    for call, outs in outputs.items():
        part = _sampled(call, outs, names[call.module], samples)
        if part is None:
            continue
        shared = {id(group_of[p]): group_of[p] for p in part.parameters if p in group_of}
        group = [(place[call.module], part), *chain.from_iterable(shared.values())]
        group_of.update((p, group) for _, member in group for p in member.parameters)
    groups = {id(group): group for group in group_of.values()}.values()
    ordered = sorted((sorted(group, key=itemgetter(0)) for group in groups), key=lambda group: group[0][0])
    known = list(names.values())
    return [
        Layer(tuple(dict.fromkeys(known[k] for k, _ in group)), joined([part for _, part in group]))
        for group in ordered
    ]


def _sampled(call: Call, gradients: list[Tensor | None], name: str, n: int) -> LayerGradients | None:
    kind = type(call.module).__name__
    used = [g for g in gradients if g is not None]
    for gradient in used:
        if not gradient.ndim or len(gradient) != n:
            raise RuntimeError(
                f"module {name!r} ({kind}) gave an output of shape {tuple(gradient.shape)} for {n} losses; "
                "the first axis of every layer's output must be the axis of samples (expand what is shared "
                "by samples, such as positions, before the layer)"
            )
    sampler = sampler_of(call.module)
    try:
        if used and sampler is not None:
            return sampler(call, used[0])
        learns = any(p.requires_grad for p in own_parameters(call.module).values())
        return generic(call, gradients) if used and learns else None
    except ValueError as error:
        raise RuntimeError(f"module {name!r} ({kind}) has no per-sample gradients: {error}") from error


class NonFiniteError(ValueError):
    """A loss or a per-sample gradient is infinite or NaN, or overflows when squared: training diverged."""


def require_finite(values: Tensor, layers: Sequence[Layer]) -> None:
    """Refuse squared norms or inner products, (layers,) or (layers, n), that are not finite, on a CPU.

    On another device looking would wait for it; there they pass on as in plain training.
    """
    # The sum is quicker to look at, but may overflow though no element does.
    if values.device.type != "cpu" or isfinite(values.sum()) or values.isfinite().all():
        return
    row, *sample = (~values.isfinite()).nonzero()[0].tolist()
    where = f", first for sample {sample[0]} of {values.shape[-1]}" if sample else ""
    raise NonFiniteError(
        f"the gradient of module {layers[row].names[0]!r} is not finite or overflows when squared{where}; "
        "lower the learning rate or look at that sample"
    )
