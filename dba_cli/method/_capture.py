"""What a forward pass leaves behind for the backward pass: the calls of modules with parameters.

A call is stored on the autograd node that made the module's output (`torch.autograd.graph.Node.metadata`),
so it lives exactly as long as the graph: evaluation without gradients records nothing, a discarded graph
takes its calls with it, and several forward passes may meet in one loss. Going through the node rather than
the output tensor also keeps the right edge when an in-place activation overwrites the output.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._pytree import tree_leaves, tree_map_only

_KEY = "dba_cli.method"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One recorded call of a module.

    Attributes:
        module: the module called.
        args: its positional arguments, tensors detached.
        kwargs: its keyword arguments, tensors detached.
        version: in-place version of the first argument at the time of the call.
        training: whether the module was in training mode.
    """

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    version: int
    training: bool

    @property
    def input(self) -> Tensor:
        """The first argument, as it was during the call.

        Raises:
            ValueError: it has been overwritten since.
        """
        tensor: Tensor = self.args[0] if self.args else next(iter(self.kwargs.values()))
        if tensor._version != self.version:
            raise ValueError(
                "its input was modified in place after the call, and the weight gradient needs the old "
                "values; use an out-of-place operation there"
            )
        return tensor


def is_opaque(module: nn.Module) -> bool:
    """Whether the module uses its children's parameters itself, so that it is one layer with them.

    torch's own compound modules do (MultiheadAttention reads its output projection's weight), and modules
    whose parameters are computed by `torch.nn.utils.parametrize`.
    """
    if is_parametrized(module):
        return True
    compound = bool(module._parameters) and bool(module._modules)
    return compound and type(module).__module__.startswith("torch.nn.")


def own_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that the module as one layer has."""
    if is_opaque(module):
        return dict(module.named_parameters())
    return {name: p for name, p in module._parameters.items() if p is not None}


def layers_of(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """All modules with parameters of their own, by name, and those that couple samples without any."""
    if own_parameters(module) or isinstance(module, _BatchNorm):
        yield name, module
    if not is_opaque(module):
        for child_name, child in module.named_children():
            yield from layers_of(child, f"{name}.{child_name}" if name else child_name)


def record_call(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """Forward hook: leave a `Call` on the nodes that made the outputs.

    A plain function without state: copying or pickling a watched model copies nothing else. (The copy has the
    hook too; what it records there goes with the copy's graphs.)
    """
    outputs = (
        [output] if isinstance(output, Tensor) else [o for o in tree_leaves(output) if isinstance(o, Tensor)]
    )
    if all(o.grad_fn is None for o in outputs):
        return
    first = args[0] if args else next(iter(kwargs.values()), None)
    if len(args) == 1 and isinstance(first, Tensor):
        detached = (first.detach(),)  # The usual case is spared the walk through nested arguments.
    else:
        detached = tree_map_only(Tensor, Tensor.detach, args)
    call = Call(
        module,
        detached,
        tree_map_only(Tensor, Tensor.detach, kwargs) if kwargs else kwargs,
        first._version if isinstance(first, Tensor) else 0,
        module.training,
    )
    for index, tensor in enumerate(outputs):
        if tensor.grad_fn is not None:
            _records_on(tensor.grad_fn)[id(module), index] = (call, tensor.output_nr, len(outputs))


@dataclass(frozen=True, slots=True)
class Trace:
    """What a loss was made of.

    Attributes:
        places: for each edge, the recorded call it belongs to, which of its outputs it is, and of how many.
        edges: where in the graph the gradients of the calls' outputs flow.
        parameters: those that the loss depends on.
    """

    places: list[tuple[Call, int, int]]
    edges: list[GradientEdge]
    parameters: list[nn.Parameter]


def trace(root: Node, *, keep: bool) -> Trace:
    """Collect the recorded calls in the graph behind `root`; unless it is to `keep` them, they leave it."""
    found = Trace([], [], [])
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        # `variable` marks the accumulation node of a leaf, which has no calls.
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            if isinstance(leaf, nn.Parameter):
                found.parameters.append(leaf)
            continue
        records = _records_on(node)
        for (_, index), (call, output_nr, outputs) in records.items():
            found.places.append((call, index, outputs))
            found.edges.append(GradientEdge(node, output_nr))
        if not keep:
            records.clear()
        for parent, _ in node.next_functions:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return found


def _records_on(node: Node) -> dict[tuple[int, int], tuple[Call, int, int]]:
    # torch's stubs declare `metadata` as a method; it is a property.
    metadata: dict[str, Any] = cast(Any, node).metadata
    records: dict[tuple[int, int], tuple[Call, int, int]] = metadata.setdefault(_KEY, {})
    return records
