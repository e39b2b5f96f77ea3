"""What a selection rule sees and what is written to ``.grad``, against the loop over single samples."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch, Selection
from dba_cli.method import SelectionProblem, register_rule
from tools.zoo import uneven

from . import reference

_seen: list[tuple[Tensor, list[tuple[Tensor | None, Tensor | None]]]] = []


@register_rule("tests-uneven")
def watched(problem: SelectionProblem) -> Tensor:
    """Weights that differ for every layer and sample, some zero; keeps what was made for inspection."""
    products = [(layer.gradients.square_norms(), layer.gradients.projections()) for layer in problem.layers]
    _seen.append((problem.gram, products))
    return uneven(problem)


def assert_exact(
    model: nn.Module,
    losses_of: Callable[[nn.Module], Tensor],
    layers: dict[str, list[str]] | None = None,
    *,
    rtol: float = 1e-10,
    check: int = 1000,
) -> Selection:
    """What is made of every layer's gradients, and those written, agree with the loop over samples.

    Gram matrices, and squared norms and projections on the mean where a layer has them without.

    `layers` maps the first module name of each layer to its parameters' names; left out, every module
    with direct parameters is a layer.
    """
    if layers is None:
        layers = {
            name: [f"{name}.{p}" if name else p for p, _ in module.named_parameters(recurse=False)]
            for name, module in model.named_modules()
            if module._parameters
        }
    parameters = dict(model.named_parameters())
    layers = {name: [p for p in names if parameters[p].requires_grad] for name, names in layers.items()}
    layers = {name: names for name, names in layers.items() if names}
    _seen.clear()
    dba = DynamicBatch(model, rule="tests-uneven", check=check)
    losses = losses_of(model)
    gradients = {
        name: reference.sample_gradients(lambda losses=losses: losses, [parameters[p] for p in names])
        for name, names in layers.items()
    }
    model.zero_grad()
    selection = dba.backward(losses)
    assert all(p.grad is None for p in parameters.values() if not p.requires_grad)
    ((gram, products),) = _seen
    rows = list(dict.fromkeys(w.data_ptr() for w in selection.weights.values()))
    assert len(gram) == len(layers), (list(selection.weights), list(layers))
    for name, sampled in gradients.items():
        flat = reference.flat(sampled)
        scale = float(flat.square().sum(1).max()) or 1.0
        weights = selection.weights[name]
        row = rows.index(weights.data_ptr())
        for ours, theirs in [
            (gram[row], flat @ flat.T),
            (products[row][0], flat.square().sum(1)),
            (products[row][1], flat @ flat.mean(0)),
        ]:
            if ours is None:
                continue
            torch.testing.assert_close(ours, theirs, rtol=rtol, atol=rtol * scale)
        expected = weights.to(flat.dtype) @ flat
        written = torch.cat([parameters[p].grad.flatten() for p in layers[name]])
        torch.testing.assert_close(written, expected, rtol=rtol, atol=rtol * scale**0.5)
    return selection
