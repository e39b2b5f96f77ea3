"""The autograd graph behind a batch's losses, as a list that is the same for the same network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd.graph import GradientEdge, Node
from torch.nn import Parameter

Edge = tuple[int, int]
"""An output of a node: the node's place in the list, and the number of the output."""

LEAF = "torch::autograd::AccumulateGrad"


def _rows_picked(indices: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def content(node: Any) -> Any:
        source, found = node.next_functions[0][0], indices(node)
        # Rows of a parameter, tokens of an embedding for one, are no samples.
        is_parameter = source is not None and isinstance(getattr(source, "variable", None), Parameter)
        return None if is_parameter or found is None else tuple(found.flatten().tolist())

    return content


# What says which rows are whose, or whether samples are coupled, and shows neither in names nor in shapes.
_SIGNED: dict[str, Callable[[Any], Any]] = {
    "NativeBatchNormBackward0": lambda node: node._saved_training,
    "IndexBackward0": _rows_picked(lambda node: node._saved_indices[0]),
    "IndexSelectBackward0": _rows_picked(lambda node: node._saved_index),
    "PackPaddedSequenceBackward0": _rows_picked(lambda node: node._saved_batch_sizes),
}


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """The nodes from which losses came, the losses' own first.

    Attributes:
        nodes: each once, in an order that depends on the graph's form alone.
        names: type of each node.
        children: for each node and each of its operands, the edge that made it; None without a gradient.
        shapes: shape of each output of each node.
        leaves: leaf tensors by the place of their node.
        root: the losses' edge.
        signature: equal for graphs of equal form on the same leaves: names, edges, shapes, and the indices
            that pick rows.
    """

    nodes: list[Node]
    names: list[str]
    children: list[tuple[Edge | None, ...]]
    shapes: list[tuple[tuple[int, ...], ...]]
    leaves: dict[int, Tensor]
    root: Edge
    signature: tuple[Any, ...]

    def edge(self, edge: Edge) -> GradientEdge:
        """The edge as autograd takes it."""
        return GradientEdge(self.nodes[edge[0]], edge[1])

    def shape(self, edge: Edge) -> tuple[int, ...]:
        """Shape of what the edge carries."""
        return self.shapes[edge[0]][edge[1]]


def read_graph(losses: Tensor) -> Graph:
    """The graph behind `losses`."""
    assert losses.grad_fn is not None
    nodes: list[Any] = [losses.grad_fn]
    places = {nodes[0]: 0}
    names, children, shapes, leaves, signed = [], [], [], {}, []
    for place, node in enumerate(nodes):  # grows on the way
        name = node.name()
        edges: list[Edge | None] = []
        for child, number in node.next_functions:
            if child is None:
                edges.append(None)
                continue
            index = places.get(child)
            if index is None:
                index = places[child] = len(nodes)
                nodes.append(child)
            edges.append((index, number))
        names.append(name)
        children.append(tuple(edges))
        shapes.append(tuple([tuple(data.shape) for data in node._input_metadata]))
        if name == LEAF:
            leaves[place] = node.variable
            signed.append(id(node.variable) if isinstance(node.variable, Parameter) else None)
        elif name in _SIGNED:
            signed.append(_SIGNED[name](node))
    root = (0, losses.output_nr)
    signature = (root, tuple(names), tuple(children), tuple(shapes), tuple(signed))
    return Graph(nodes, names, children, shapes, leaves, root, signature)
