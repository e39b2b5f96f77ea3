"""How gradients get into ``.grad``: through autograd's own last step, as in a plain backward pass.

So whatever hangs on that step takes part: `register_hook` and `register_post_accumulate_grad_hook` of
parameters, the reducer of DistributedDataParallel, optimizers that step within the backward pass.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Function

from ._layer_gradients import Gradients

Delivery = tuple[Sequence[nn.Parameter], Callable[[], Gradients]]
"""Parameters, and what makes their gradients when it is their turn."""


class _Source(Function):
    """A scalar whose backward pass is a call of `make`."""

    @staticmethod
    def forward(ctx: Any, make: Callable[[], list[Tensor]], *parameters: nn.Parameter) -> Tensor:
        ctx.make = make
        return parameters[0].new_empty(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.make()


def deliver(layers: Sequence[Delivery], meanwhile: Callable[[], None] | None = None) -> None:
    """Accumulate gradients into the ``.grad`` of parameters, each of which is in one layer.

    `meanwhile` is called within the backward pass that does it.
    """
    parameters = [p for own, _ in layers for p in own]
    alone = not distributed.is_initialized()
    if alone and not any(p._backward_hooks or p._post_accumulate_grad_hooks for p in parameters):
        _accumulate(layers)  # as that last step would; it costs a twelfth of a small network's step
        return
    # One node is quicker than many; with many, a replica sends a layer's gradients while others are made.
    groups = [layers] if alone else [[layer] for layer in layers]
    sources: list[Tensor] = []

    def gradients_of(group: Sequence[Delivery]) -> list[Tensor]:
        if meanwhile is not None and group is groups[-1]:  # the first to run
            meanwhile()
        # The list alone may hold on to a gradient: autograd copies what somebody else holds, too.
        return [found.pop(p) for parameters, make in group for found in [make()] for p in parameters]

    with torch.enable_grad():
        for group in groups:
            own = [p for parameters, _ in group for p in parameters]
            if own:
                make = lambda group=group: gradients_of(group)  # noqa: E731
                sources.append(_Source.apply(make, *own))  # type: ignore[no-untyped-call]
    torch.autograd.backward(sources, [torch.ones_like(source) for source in sources])


def _accumulate(layers: Sequence[Delivery]) -> None:
    for parameters, make in layers:
        found = make()
        for p in parameters:
            gradient = found.pop(p)
            if p.grad is not None:
                p.grad += gradient
            elif gradient.dtype == p.dtype and gradient.stride() == p.stride() and not gradient._is_view():
                p.grad = gradient
            else:  # a view may share its memory with another parameter's gradient
                p.grad = torch.empty_like(p).copy_(gradient)


def nodes_behind(losses: Tensor) -> Iterator[Any]:
    """The nodes of the graph that losses came from, each once."""
    stack: list[Any] = [losses.grad_fn]
    seen = {None, *stack}
    while stack:
        node = stack.pop()
        yield node
        parents = {parent for parent, _ in node.next_functions} - seen
        seen |= parents
        stack += parents


def parameters_behind(losses: Tensor) -> list[nn.Parameter]:
    """The parameters that losses depend on."""
    leaves = [getattr(node, "variable", None) for node in nodes_behind(losses)]
    return [leaf for leaf in leaves if isinstance(leaf, nn.Parameter)]


@contextmanager
def looking_only(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Within it, a parameter's gradient may be asked of autograd without a hook of the parameter's firing."""
    hooks = [own for p in parameters if (own := p._backward_hooks)]
    kept = [dict(own) for own in hooks]
    for own in hooks:
        own.clear()
    try:
        yield
    finally:
        for own, theirs in zip(hooks, kept, strict=True):
            own.update(theirs)


def mean_gradient(losses: Tensor) -> Gradients:
    """Autograd's gradient of the mean loss, of each parameter behind it; the graph stays."""
    parameters = parameters_behind(losses)
    with looking_only(parameters):
        found = torch.autograd.grad(losses.mean(), parameters, retain_graph=True, allow_unused=True)
    return {p: g.detach() for p, g in zip(parameters, found, strict=True) if g is not None}


def scale_of(losses: Tensor) -> Tensor | None:
    """The one number in a tensor that losses were multiplied by, as `torch.amp.GradScaler` does; else None.

    Gradients that overflow are then meant to be written, so that the scaler skips the step.
    """
    node: Any = losses.grad_fn
    while node is not None and node.name() in {"MulBackward0", "DivBackward0"}:
        factor = node._saved_other
        if isinstance(factor, Tensor) and factor.ndim == 0 and factor.dtype == torch.float32:
            return factor
        node = node.next_functions[0][0]
    return None
