"""What no sampler explains: the exact derivative of every loss, vectorised, in blocks of bounded memory."""

import warnings
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from ._delivery import looking_only
from ._graph import Edge, Graph
from ._layer_gradients import Gradients
from ._plan import Site

BLOCK = 1 << 24
"""Elements of gradients that are carried through the graph at once, counting every edge on the way."""


def differentiated(
    graph: Graph,
    parameters: Collection[int],
    sites: Sequence[tuple[Site, list[Tensor]]],
    given: Sequence[tuple[Edge, Tensor]],
    samples: int,
    dtype: torch.dtype,
) -> Gradients:
    """Per-sample gradients, (n, *shape), of the parameters below the operands of sites.

    Args:
        graph: the losses'.
        parameters: their places.
        sites: with the gradients of their outputs.
        given: per-sample gradients, (n, *shape), of operands that are functions of parameters.
        samples: n.
        dtype: that of the result.
    """
    tops = {operand.edge[0] for site, _ in sites for operand in site.operands.values()}
    below = _below(graph, tops | {edge[0] for edge, _ in given})
    leaves = [place for place in below if place in parameters]
    passed = sum(_elements(graph, place) for place in [*below, *(site.node for site, _ in sites)])
    size = min(samples, max(1, BLOCK // max(1, passed)))
    blocks = []
    for first, last in pairwise([*range(0, samples, size), samples]):
        seeds = [(edge, values[first:last]) for edge, values in given]
        for site, gradients in sites:
            seeds += _through(graph, site, gradients, range(first, last), samples)
        with looking_only(graph.leaves[place] for place in leaves):
            blocks.append(_pulled(graph, seeds, leaves))
    return {
        cast(nn.Parameter, graph.leaves[place]): torch.cat([block[place] for block in blocks]).to(dtype)
        for place in leaves
        if all(place in block for block in blocks)
    }


def _below(graph: Graph, tops: set[int]) -> list[int]:
    seen = set(tops)
    stack = list(tops)
    while stack:
        for edge in graph.children[stack.pop()]:
            if edge is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])
    return sorted(seen)


def _elements(graph: Graph, place: int) -> int:
    return sum(torch.Size(shape).numel() for shape in graph.shapes[place])


def _through(
    graph: Graph, site: Site, gradients: list[Tensor], samples: range, n: int
) -> list[tuple[Edge, Tensor]]:
    """Gradients of a site's operands for some samples, from calls of the one node."""
    node: Any = graph.nodes[site.node]
    call = node if callable(node) else node.apply  # a function of a user's is an object with a method
    outputs, arguments = list(site.rows), _arguments(node)
    masked = [
        gradient * site.rows[number].masks(samples, n, gradient)
        for number, gradient in zip(outputs, gradients, strict=True)
    ]

    def operands(*masked: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(outputs, masked, strict=True))
        found = call(*(given.get(number) for number in range(len(graph.shapes[site.node]))))
        found = found if isinstance(found, tuple) else (found,)
        return tuple(
            torch.zeros(graph.shape(operand.edge), dtype=masked[0].dtype, device=masked[0].device)
            if found[arguments[number]] is None
            else found[arguments[number]].sum_to_size(graph.shape(operand.edge))  # left to autograd's engine
            for number, operand in site.operands.items()
        )

    found = _vectorised(operands, masked)
    return [(operand.edge, g) for operand, g in zip(site.operands.values(), found, strict=True)]


def _arguments(node: Any) -> dict[int, int]:
    """From the number of a node's operand to the place of its gradient in what a call of the node returns.

    A function written in Python, a compiled one for instance, returns one for arguments that are no tensors,
    too.
    """
    operands = [number for number, (child, _) in enumerate(node.next_functions) if child is not None]
    needed = getattr(node, "needs_input_grad", None)
    if needed is None:
        return dict(zip(operands, operands, strict=True))
    return dict(zip(operands, (place for place, wanted in enumerate(needed) if wanted), strict=True))


def _pulled(graph: Graph, seeds: list[tuple[Edge, Tensor]], leaves: list[int]) -> dict[int, Tensor]:
    """Gradients of the leaves for a block of samples, from those of edges above them."""
    found: dict[int, Tensor] = {}
    edges, cotangents = [], []
    for (place, number), values in seeds:
        if place in graph.leaves:
            found[place] = found[place] + values if place in found else values
        else:
            edges.append(graph.edge((place, number)))
            dtype = graph.nodes[place]._input_metadata[number].dtype
            cotangents.append(values.to(dtype))
    if edges:
        parameters = [graph.leaves[place] for place in leaves]

        def derivative(*cotangents: Tensor) -> tuple[Tensor, ...]:
            return torch.autograd.grad(
                edges, parameters, cotangents, retain_graph=True, materialize_grads=True
            )

        try:
            gradients = torch.autograd.grad(
                edges,
                parameters,
                cotangents,
                retain_graph=True,
                is_grads_batched=True,
                allow_unused=True,
            )
        except RuntimeError:
            gradients = tuple(_vectorised(derivative, cotangents))
        for place, values in zip(leaves, gradients, strict=True):
            if values is not None:
                found[place] = found[place] + values if place in found else values
    return found


def _vectorised(function: Callable[..., tuple[Tensor, ...]], arguments: Sequence[Tensor]) -> Sequence[Tensor]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        try:
            return torch.vmap(function, randomness="same")(*arguments)
        except RuntimeError:
            return _one_by_one(function, arguments)


def _one_by_one(function: Callable[..., tuple[Tensor, ...]], arguments: Sequence[Tensor]) -> Sequence[Tensor]:
    found = [function(*one) for one in zip(*arguments, strict=True)]
    return [torch.stack(parts) for parts in zip(*found, strict=True)]
