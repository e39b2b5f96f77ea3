"""From a batch's losses to the per-sample gradients of every layer, whatever the network."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ._check import check_layers
from ._compiled import warn_of_compiled_layers
from ._delivery import looking_only
from ._graph import Edge, Graph, read_graph
from ._layers import Layer, Modules, read_sites, sampled
from ._limits import evenly
from ._plan import Answer, Plan, find_plan
from ._rows import coefficients, rows_of

Coupled = Literal["refuse", "exact"]
_KEPT = 256
"""Plans of so many different graphs are kept, the latest used."""
_PARTS = 4
"""In so many parts are gradients asked for that only tell whose the rows are."""
_COUPLING = {"NativeBatchNormBackward0", "CudnnBatchNormBackward0", "MiopenBatchNormBackward0"}


class Tracer:
    """The samples' gradients of one model.

    Graphs of equal form share a `Plan`, which says where in the graph parameters meet samples. A new one is
    proved by two backward passes with unequal weights of the losses, and made anew every `every` steps.

    Args:
        model: whose parameters are meant.
        every: steps after which a plan is proved again, and compared with autograd; 0 proves each once and
            compares never.
        coupled: what to do about normalization by the batch's statistics.
    """

    def __init__(self, model: nn.Module, every: int, coupled: Coupled) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 0:
            raise ValueError(f"check is a number of steps, 1000 for instance, or 0 for never, not {every!r}")
        self._model = model
        self._every = every
        self._coupled = coupled
        self._plans: dict[Any, tuple[Plan, Modules]] = {}
        self._latest: tuple[Any, tuple[Plan, Modules]] | None = None
        self._step = 0

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_plans": {}, "_latest": None}  # a copy's parameters are others

    def layers(self, losses: Tensor, *, retain_graph: bool) -> tuple[list[Layer], torch.dtype]:
        """The layers behind losses of shape (n,), and the type of their gradients.

        That is float64 where a parameter is, float32 otherwise.
        """
        graph = read_graph(losses)
        self._step += 1
        parameters = {place: leaf for place, leaf in graph.leaves.items() if isinstance(leaf, nn.Parameter)}
        wide = torch.float64 in {p.dtype for p in parameters.values()}
        dtype = torch.float64 if wide else torch.float32
        if self._latest is not None and self._latest[0] == graph.signature:  # spares the hash
            known: tuple[Plan, Modules] | None = self._latest[1]
        else:
            known = self._plans.pop(graph.signature, None)
        if known is not None and 0 < self._every <= self._step - known[0].step:
            known = None
        layers = None if known is None else self._planned(graph, *known, losses, dtype, retain_graph)
        if known is None or layers is None:
            known, layers = self._proved(graph, parameters, losses, dtype, retain_graph)
        if self._latest is None or self._latest[1] is not known:
            self._plans[graph.signature] = known
            self._latest = graph.signature, known
            if len(self._plans) > _KEPT:
                del self._plans[next(iter(self._plans))]
        return layers, dtype

    def _proved(
        self,
        graph: Graph,
        parameters: dict[int, nn.Parameter],
        losses: Tensor,
        dtype: torch.dtype,
        retain_graph: bool,
    ) -> tuple[tuple[Plan, Modules], list[Layer]]:
        """A plan for the graph, checked, and the layers that it gives."""
        modules = Modules(self._model)
        self._require_served(graph, parameters, modules, len(losses))
        c = coefficients(len(losses)).to(losses.device)

        if self._every:
            asked = list(parameters.values())
            with looking_only(asked):
                gradients = _gradients(losses, asked, c.to(losses))
            expected = {p: g for p, g in zip(asked, gradients, strict=True) if g is not None}

        def probe(edges: list[Edge]) -> list[Answer | None]:
            inputs = [graph.edge(edge) for edge in edges]
            plain = _gradients(losses, inputs, torch.ones_like(losses))
            answers: list[Answer | None] = []
            # A part at a time, which for those next to the losses is a short way: all at once take memory.
            for first, last in pairwise(evenly(0, len(inputs), min(_PARTS, len(inputs)) + 1)):
                scaled = _gradients(losses, inputs[first:last], c.to(losses))
                for one, other in zip(plain[first:last], scaled, strict=True):
                    if one is None or other is None:  # nothing flows there
                        answers.append(None)
                    else:
                        answers.append((one, rows_of(one, other, c)))
            return answers

        plan, found = find_plan(graph, parameters, len(losses), probe, self._step)
        warn_of_compiled_layers(graph.names[site.node] for site in plan.sites)
        saved = read_sites(graph, plan)
        layers = modules.layers(sampled(graph, plan, saved, found, len(losses), dtype, modules))
        if not retain_graph:
            _free(losses, plan.edges, graph)
        if self._every:
            check_layers(layers, c.to(dtype), expected, modules.parameter_names, _narrowest(graph))
        return (plan, modules), layers

    def _planned(
        self,
        graph: Graph,
        plan: Plan,
        modules: Modules,
        losses: Tensor,
        dtype: torch.dtype,
        retain_graph: bool,
    ) -> list[Layer] | None:
        """The layers by a plan that is known; None where it turns out that it has to be proved."""
        saved = read_sites(graph, plan)
        keep = retain_graph or bool(plan.general or plan.uncertain)
        inputs = [graph.edge(edge) for edge in plan.edges]
        # Asked for outputs only, autograd computes no weight gradient.
        found = _gradients(losses, inputs, torch.ones_like(losses), keep=keep)
        gradients = dict(zip(plan.edges, found, strict=True))
        for edge, mask in plan.uncertain.items():
            gradient = gradients[edge]
            if gradient is not None and (mask & (gradient != 0)).any():
                return None
        parts = sampled(graph, plan, saved, gradients, len(losses), dtype, modules)
        if keep and not retain_graph:
            _free(losses, plan.edges, graph)
        return modules.layers(parts)

    def _require_served(
        self, graph: Graph, parameters: dict[int, nn.Parameter], modules: Modules, n: int
    ) -> None:
        for parameter in parameters.values():
            if parameter not in modules.names:
                raise RuntimeError(
                    f"a parameter of shape {tuple(parameter.shape)} that is not the model's is behind the "
                    "losses: give DynamicBatch the module that holds it, or freeze it"
                )
        if not parameters:
            raise RuntimeError("no trainable parameter of the model is behind the losses")
        coupling = _coupling(graph, self._model) if n > 1 else None
        if coupling is not None and self._coupled == "refuse":
            raise RuntimeError(
                f"{coupling}; put them in evaluation mode (.eval(): running statistics), replace "
                "them by nn.GroupNorm, or pass coupled='exact' for the derivative of each loss with the "
                "coupling in it (slow)"
            )


def _gradients(
    losses: Tensor, inputs: Sequence[Any], weights: Tensor, *, keep: bool = True
) -> list[Tensor | None]:
    return list(torch.autograd.grad(losses, inputs, weights, retain_graph=keep, allow_unused=True))


def _free(losses: Tensor, edges: Sequence[Edge], graph: Graph) -> None:
    """Drop what the nodes above edges keep: a backward pass through which nothing flows."""
    assert losses.grad_fn is not None
    handle = losses.grad_fn.register_prehook(lambda gradients: (None,) * len(gradients))
    try:
        _gradients(losses, [graph.edge(edge) for edge in edges], torch.ones_like(losses), keep=False)
    finally:
        handle.remove()


def _couples(graph: Graph, place: int) -> bool:
    name, node = graph.names[place], graph.nodes[place]
    # InstanceNorm is a BatchNorm of one sample with n times the channels.
    return name == "SyncBatchNormBackward" or (
        name in _COUPLING and getattr(node, "_saved_training", True) and graph.shapes[place][0][0] > 1
    )


def coupling(losses: Tensor, model: nn.Module) -> str | None:
    """What normalizes by the statistics of the batch behind the losses of two or more samples, in words.

    None where every sample has a gradient of its own, and where the losses have no graph.
    """
    return None if losses.grad_fn is None else _coupling(read_graph(losses), model)


def _coupling(graph: Graph, model: nn.Module) -> str | None:
    if not any(_couples(graph, place) for place in range(len(graph.nodes))):
        return None
    return (
        f"{_batch_norms(model)} normalize by the statistics of the batch, so that a sample has no gradient of"
        " its own"
    )


def _batch_norms(model: nn.Module) -> str:
    names = [
        f"{name!r} ({type(module).__name__})"
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)
    ]
    return f"modules {', '.join(names)}" if names else "calls of batch_norm"


def _narrowest(graph: Graph) -> int:
    """Bytes of the narrowest floating type of the graph's edges."""
    nodes: list[Any] = graph.nodes
    types: set[torch.dtype] = {data.dtype for node in nodes for data in node._input_metadata}
    return min(t.itemsize for t in types if t.is_floating_point)
