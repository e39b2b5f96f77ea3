"""From the gradients of a graph's sites to the per-sample gradients of every layer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ._fallback import differentiated
from ._graph import Edge, Graph
from ._layer_gradients import Explicit, LayerGradients, joined
from ._plan import Operand, Plan, Site
from ._samplers import SAMPLERS, NotServed, Parameter, Use, read_saved


@dataclass(frozen=True, slots=True)
class Layer:
    """What gets one selection: a module, or the modules that share a parameter.

    Attributes:
        names: module names, in the model's order.
        gradients: per-sample gradients, all uses together.
    """

    names: tuple[str, ...]
    gradients: LayerGradients


class Modules:
    """Which layer each parameter of a model belongs to, as long as the model stays as it is."""

    def __init__(self, model: nn.Module) -> None:
        self.names: dict[nn.Parameter, list[str]] = {}
        self.parameter_names = {p: name for name, p in model.named_parameters()}
        order: dict[nn.Module, str] = {}
        for name, module in _layers_of(model):
            if module not in order:  # a module in two places goes by its first name
                order[module] = name
                for parameter in _own_parameters(module):
                    self.names.setdefault(parameter, []).append(name)
        self._place = {name: k for k, name in enumerate(dict.fromkeys(chain(*self.names.values())))}
        self._groups: dict[Any, list[tuple[tuple[str, ...], list[int]]]] = {}

    def layers(self, parts: Sequence[LayerGradients]) -> list[Layer]:
        """The layers of these gradients, in the model's order."""
        key = tuple(part.parameters for part in parts)
        groups = self._groups.get(key)
        if groups is None:
            groups = self._groups[key] = self._grouped(key)
        return [Layer(names, joined([parts[k] for k in own])) for names, own in groups]

    def _grouped(self, parts: Sequence[Sequence[nn.Parameter]]) -> list[tuple[tuple[str, ...], list[int]]]:
        """Names of each layer's modules, and which of the parts are its own."""
        group_of: dict[str, tuple[set[str], list[int]]] = {}
        for k, parameters in enumerate(parts):
            names, members = {name for p in parameters for name in self.names[p]}, [k]
            for group in {id(group_of[n]): group_of[n] for n in names if n in group_of}.values():
                names |= group[0]
                members[:0] = group[1]
            group_of.update(dict.fromkeys(names, (names, members)))
        groups = {id(group): group for group in group_of.values()}.values()
        place = self._place
        ordered = [(tuple(sorted(names, key=place.__getitem__)), own) for names, own in groups]
        return sorted(ordered, key=lambda group: place[group[0][0]])


def _is_opaque(module: nn.Module) -> bool:
    """Whether the module uses its children's parameters itself, so that it is one layer with them.

    torch's own compound modules do (MultiheadAttention reads its output projection's weight), and modules
    whose parameters are computed by `torch.nn.utils.parametrize`.
    """
    if is_parametrized(module):
        return True
    compound = bool(module._parameters) and bool(module._modules)
    return compound and type(module).__module__.startswith("torch.nn.")


def _own_parameters(module: nn.Module) -> list[nn.Parameter]:
    if _is_opaque(module):
        return list(module.parameters())
    return [p for p in module._parameters.values() if p is not None]


def _layers_of(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """All modules with parameters of their own, by name."""
    if _own_parameters(module):
        yield name, module
    if not _is_opaque(module):
        for child_name, child in module.named_children():
            yield from _layers_of(child, f"{name}.{child_name}" if name else child_name)


def read_sites(graph: Graph, plan: Plan) -> list[dict[str, Any]]:
    """What the samplers want of the sites' nodes, before a backward pass frees it."""
    # Within a group, activations that were checkpointed are computed again once.
    group = getattr(torch.utils.checkpoint, "GraphExecGroup", nullcontext)
    with group():
        return [read_saved(graph.names[site.node], graph.nodes[site.node]) for site in plan.sites]


def sampled(
    graph: Graph,
    plan: Plan,
    saved: Sequence[Mapping[str, Any]],
    gradients: Mapping[Edge, Tensor | None],
    samples: int,
    dtype: torch.dtype,
    modules: Modules,
) -> list[LayerGradients]:
    """Per-sample gradients, in `dtype`, from the gradients of the losses' sum at the plan's edges."""
    parts: list[LayerGradients] = []
    general: list[tuple[Site, list[Tensor]]] = []
    given: list[tuple[Edge, Tensor]] = []
    if not plan.operands:  # the same in every step
        plan.operands = [
            {number: _parameter(graph, operand) for number, operand in site.operands.items()}
            for site in plan.sites
        ]
    for site, kept, own in zip(plan.sites, saved, plan.operands, strict=True):
        known = ((number, gradients[site.node, number]) for number in site.rows)
        flowing = {number: g for number, g in known if g is not None}
        if not flowing:
            continue
        try:
            if graph.names[site.node] not in SAMPLERS:
                raise NotServed
            sampler, _ = SAMPLERS[graph.names[site.node]]
            cast = {number: g.to(dtype) for number, g in flowing.items()}
            found = sampler(Use(kept, cast, own, site.rows, samples))
        except NotServed:
            rows = {number: site.rows[number] for number in flowing}
            general.append((Site(site.node, rows, site.operands), list(flowing.values())))
            continue
        except ValueError as error:
            name = modules.parameter_names[next(iter(own.values())).tensor]
            raise RuntimeError(f"parameter {name!r} has no per-sample gradients: {error}") from error
        stand_ins = {
            own[number].tensor: operand.edge
            for number, operand in site.operands.items()
            if operand.leaf is None
        }
        for part in found:
            if stand_ins.keys().isdisjoint(part.parameters):
                parts.append(part)
                continue
            for parameter, values in part.explicit().items():
                if parameter in stand_ins:
                    given.append((stand_ins[parameter], values))
                else:
                    parts.append(Explicit({parameter: values}))
    if general or given:
        plan.general = tuple(sorted({graph.names[site.node] for site, _ in general}))
        rest = differentiated(graph, plan.leaves, general, given, samples, dtype)
        parts += [Explicit({parameter: values}) for parameter, values in rest.items()]
    return parts


def _parameter(graph: Graph, operand: Operand) -> Parameter:
    shape = graph.shape(operand.edge)
    if operand.leaf is None:
        return Parameter(nn.Parameter(torch.empty(shape, device="meta"), requires_grad=False), shape)
    leaf = graph.leaves[operand.leaf]
    assert isinstance(leaf, nn.Parameter)
    return Parameter(leaf, shape, operand.flipped)


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
