"""oneDNN's LSTM, one node for all steps: what flows into its gates is found by making the steps once more."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from .._layer_gradients import LayerGradients, OuterProducts
from .._rows import Rows
from ._registry import NotServed, Use, register_sampler

_LSTM = 2
"""torch's number for this kind of recurrent layer."""
_ROWS = {0: Rows(1, 1, True), 1: Rows(0, 1, True), 2: Rows(0, 1, True)}
"""Where samples lie in the outputs: all states (steps, n, h), the last state and the last cell (n, h)."""


@register_sampler(
    "MkldnnRnnLayerBackward0",
    saved=(
        *("input", "weight0", "weight1", "weight2", "weight3", "hx_", "cx_", "result0"),
        *("mode", "has_biases", "reverse"),
    ),
)
def lstm(use: Use) -> list[LayerGradients]:
    """One layer of an LSTM in one direction: in every step two products and two biases make the gates."""
    saved = use.saved
    weights = [use.parameters.get(number) for number in (1, 2, 3, 4)]
    if (
        saved["mode"] != _LSTM
        or use.parameters.keys() - {1, 2, 3, 4}
        or any(use.outputs[number] != _ROWS[number] for number in use.gradients)
        or any(weight is not None and weight.flipped for weight in weights)
    ):
        raise NotServed
    dtype = next(iter(use.gradients.values())).dtype
    x, hidden, inner, outer, *shifts = (
        saved[name].to(dtype) for name in ("input", "result0", "weight0", "weight1", "weight2", "weight3")
    )
    start, cell = (saved[name].to(dtype).view(hidden.shape[1:]) for name in ("hx_", "cx_"))
    steps = range(len(x))[:: -1 if saved["reverse"] else 1]
    before = torch.cat([hidden[1:], start[None]] if saved["reverse"] else [start[None], hidden[:-1]])
    gates = x @ inner.mT + (sum(shifts) if saved["has_biases"] else 0)
    flow = _into_gates(gates, outer, start, cell, steps, use.gradients)
    left, *rights = (each.transpose(0, 1).contiguous() for each in (flow, x, before))
    tensors = [None if weight is None else weight.tensor for weight in weights]
    return [
        OuterProducts(left, right, weight, bias)
        for right, weight, bias in zip(rights, tensors[:2], tensors[2:], strict=True)
        if weight is not None or bias is not None
    ]


def _into_gates(
    gates: Tensor,
    weight: Tensor,
    state: Tensor,
    cell: Tensor,
    steps: Iterable[int],
    gradients: Mapping[int, Tensor],
) -> Tensor:
    """Gradient of what all gates are given, (steps, n, 4 h), from those of the layer's outputs."""
    states = [state] * len(gates)
    with torch.enable_grad():
        given = [step.requires_grad_() for step in gates.unbind()]
        for step in steps:
            in_, forget, new, out = (given[step] + state @ weight.mT).chunk(4, 1)
            cell = forget.sigmoid() * cell + in_.sigmoid() * new.tanh()
            state = states[step] = out.sigmoid() * cell.tanh()
        outputs = (torch.stack(states), state, cell)
    flowing = [outputs[number] for number in gradients]
    return torch.stack(torch.autograd.grad(flowing, given, list(gradients.values())))
