"""What a forward pass leaves behind for the backward pass: the calls of modules with parameters.

A call is stored on the autograd node that made the module's output (`torch.autograd.graph.Node.metadata`),
so it lives exactly as long as the graph: evaluation without gradients records nothing, a discarded graph
takes its calls with it, and several forward passes may meet in one loss. Going through the node rather than
the output tensor also keeps the right edge when an in-place activation overwrites the output.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node
from torch.utils.hooks import RemovableHandle

_KEY = "dba_cli.method"


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call of a module.

    Attributes:
        module: the module called.
        args: its positional arguments, tensors detached.
        kwargs: its keyword arguments, tensors detached.
        versions: in-place version of each tensor among `args`, by position.
        training: whether the module was in training mode.
    """

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    versions: Mapping[int, int]
    training: bool

    @property
    def input(self) -> Tensor:
        """The first positional argument, as it was during the call.

        Raises:
            RuntimeError: it has been overwritten since.
        """
        tensor: Tensor = self.args[0]
        if tensor._version != self.versions[0]:
            raise RuntimeError(
                f"the input of a {type(self.module).__name__} was modified in place after the call, and its "
                "weight gradient needs the old values; use the out-of-place operation there"
            )
        return tensor


def record_call(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """Forward hook: leave a `Call` on the node that made the output.

    A plain function without state: copying or pickling a watched model copies nothing else.
    """
    if not isinstance(output, Tensor) or output.grad_fn is None:
        return
    call = Call(
        module,
        tuple(a.detach() if isinstance(a, Tensor) else a for a in args),
        {k: a.detach() if isinstance(a, Tensor) else a for k, a in kwargs.items()},
        {i: a._version for i, a in enumerate(args) if isinstance(a, Tensor)},
        module.training,
    )
    _calls_on(output.grad_fn)[id(module)] = (output.output_nr, call)


def watch(module: nn.Module) -> RemovableHandle:
    """Record the calls of `module` from now on."""
    return module.register_forward_hook(record_call, with_kwargs=True)


@dataclass(frozen=True, slots=True)
class Trace:
    """What a loss was made of.

    Attributes:
        calls: the recorded calls that the loss depends on.
        edges: for each of `calls`, where in the graph the gradient of its output flows.
        leaves: the leaf tensors (parameters) that the loss depends on.
    """

    calls: list[Call]
    edges: list[GradientEdge]
    leaves: list[Tensor]


def trace(root: Node) -> Trace:
    """Take the recorded calls out of the graph behind `root`, in no particular order."""
    found = Trace([], [], [])
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        # `variable` marks the accumulation node of a leaf, which has no metadata of ours.
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found.leaves.append(leaf)
            continue
        for output_nr, call in _calls_on(node).values():
            found.calls.append(call)
            found.edges.append(GradientEdge(node, output_nr))
        _calls_on(node).clear()
        for parent, _ in node.next_functions:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return found


def _calls_on(node: Node) -> dict[int, tuple[int, Call]]:
    # torch's stubs declare `metadata` as a method; it is a property.
    metadata: dict[str, Any] = cast(Any, node).metadata
    calls: dict[int, tuple[int, Call]] = metadata.setdefault(_KEY, {})
    return calls
