"""Where in an autograd graph the samples' gradients and the parameters' part.

Every path from the losses down to a parameter starts on edges that carry rows of single samples and ends
on edges that samples share (the parameter itself, a normalized or cast weight, positions). The node where
it passes from the one to the other is a `Site`: there the gradient of each sample is known. Below an edge
that is shared everything counts as shared, so that each path has one site and no gradient counts twice.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ._graph import LEAF, Edge, Graph
from ._rows import Rows, may_hold_samples

_CASTS = {"ToCopyBackward0"}
_VIEWS = {"ViewBackward0", "UnsafeViewBackward0", "UnsqueezeBackward0", "SqueezeBackward1", "AliasBackward0"}
_FLIPS = {"TBackward0", "TransposeBackward0"}
_FORMS = _CASTS | _VIEWS | _FLIPS | {"PermuteBackward0"}
_ROUNDS = 4
"""Edges are asked about from the parameters upwards, so often; then all that are left at once."""


@dataclass(frozen=True, slots=True)
class Operand:
    """What a site's node takes and samples share.

    Attributes:
        edge: where its gradient goes.
        leaf: place of the parameter that it is, but for casts, views and a transposition; None for another
            function of parameters.
        flipped: whether it is that parameter transposed.
    """

    edge: Edge
    leaf: int | None
    flipped: bool


@dataclass(frozen=True, slots=True)
class Site:
    """A node whose outputs are rows of single samples and some of whose operands samples share."""

    node: int
    rows: dict[int, Rows]
    operands: dict[int, Operand]


@dataclass(slots=True)
class Plan:
    """The sites of all graphs of one signature.

    Attributes:
        sites: in the order of the graph.
        uncertain: edges with places whose sample is not certain, as their gradient was zero, and a mask of
            these places.
        leaves: places of the parameters.
        step: when it was made.
        general: types of the nodes that are called again, for every sample, after the backward pass to them.
        operands: what the samplers are told of the sites' operands, once it has been made.
    """

    sites: list[Site]
    uncertain: dict[Edge, Tensor]
    leaves: list[int]
    step: int
    general: tuple[str, ...] = ()
    operands: list[Any] = field(default_factory=list)
    edges: list[Edge] = field(init=False)

    def __post_init__(self) -> None:
        self.edges = [(site.node, number) for site in self.sites for number in site.rows]


Answer = tuple[Tensor, tuple[Rows | None, Tensor | None]]
Probe = Callable[[list[Edge]], list[Answer | None]]


def find_plan(
    graph: Graph, wanted: Collection[int], n: int, probe: Probe, step: int
) -> tuple[Plan, dict[Edge, Tensor | None]]:
    """The sites of the parameters at the places `wanted`, and the gradients of their edges.

    `n` is the number of samples; `probe` gives the gradients of some edges under equal weights of the losses,
    and what `rows_of` says of each; None where nothing flows.
    """
    above: list[list[int]] = [[] for _ in graph.nodes]
    used: list[set[int]] = [set() for _ in graph.nodes]
    used[graph.root[0]].add(graph.root[1])
    for place, edges in enumerate(graph.children):
        for edge in edges:
            if edge is not None:
                above[edge[0]].append(place)
                used[edge[0]].add(edge[1])
    reaching = _closure(wanted, lambda place: above[place])
    gradients: dict[Edge, Tensor] = {}
    rows: dict[int, dict[int, Rows] | None] = dict.fromkeys(wanted)  # None: shared by samples
    doubts: dict[Edge, Tensor | None] = {}

    def below(place: int) -> Iterator[int]:
        return (edge[0] for edge in graph.children[place] if edge is not None and edge[0] in reaching)

    shared: set[int] = set(wanted)
    for count in range(len(graph.nodes)):
        # What lies below a shared edge is shared, whatever its own gradient says; what uses it is next.
        while True:
            shared = _closure([place for place, found in rows.items() if found is None], below)
            unknown = {user for place in shared for user in above[place]} - shared - rows.keys()
            plain = {place for place in unknown if _is_shared(graph, place, used[place], shared, n)}
            if not plain:
                break
            rows.update(dict.fromkeys(plain))
        if not unknown:
            break
        if count >= _ROUNDS:
            unknown = _closure(unknown, lambda place: above[place]) - rows.keys() - shared
        edges_asked = [(place, number) for place in sorted(unknown) for number in sorted(used[place])]
        for place in unknown:
            rows[place] = {}
        for edge, answer in zip(edges_asked, probe(edges_asked), strict=True):
            if answer is None:
                continue
            gradients[edge], (found, doubts[edge]) = answer
            own = rows[edge[0]]
            if found is None:
                rows[edge[0]] = None
            elif own is not None:
                own[edge[1]] = found
    sites = []
    for place in sorted(rows.keys() - shared):
        own, operands = rows[place], {}
        for number, edge in enumerate(graph.children[place]):
            if edge is not None and edge[0] in shared:
                operands[number] = _operand(graph, edge)
        if own and operands:
            sites.append(Site(place, own, operands))
    asked = {(site.node, number) for site in sites for number in site.rows}
    uncertain = {edge: mask for edge in asked if (mask := doubts[edge]) is not None}
    plan = Plan(sites, uncertain, sorted(wanted), step)
    return plan, {edge: gradients.get(edge) for edge in asked}


def _is_shared(graph: Graph, place: int, outputs: set[int], shared: set[int], n: int) -> bool:
    """Whether a node's output is shared for certain: a view or cast of what is, or of no fitting shape."""
    if place == graph.root[0]:
        return False
    if graph.names[place] in _FORMS:
        return all(edge is None or edge[0] in shared for edge in graph.children[place])
    return not any(may_hold_samples(graph.shape((place, number)), n) for number in outputs)


def _operand(graph: Graph, edge: Edge) -> Operand:
    flipped = viewed = False
    place = edge[0]
    while (name := graph.names[place]) != LEAF:
        if name in _VIEWS:
            viewed = True
        elif name in _FLIPS and not viewed and len(graph.shapes[place][0]) == 2:
            node = graph.nodes[place]
            flipped ^= name == "TBackward0" or _axes(node)[0] != _axes(node)[1]
        elif name not in _CASTS:
            return Operand(edge, None, False)
        child = graph.children[place][0]
        assert child is not None
        place = child[0]
    return Operand(edge, place, flipped)


def _axes(node: object) -> tuple[int, int]:
    # Counted from the front; unsigned in the graph, where -1 is the largest integer.
    first, second = getattr(node, "_saved_dim0"), getattr(node, "_saved_dim1")  # noqa: B009
    return first % 2, second % 2


def _closure(start: Collection[int], follow: Callable[[int], Collection[int] | Iterator[int]]) -> set[int]:
    seen = set(start)
    stack = list(seen)
    while stack:
        for place in follow(stack.pop()):
            if place not in seen:
                seen.add(place)
                stack.append(place)
    return seen
