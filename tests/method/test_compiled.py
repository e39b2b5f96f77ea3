"""`DynamicBatch` of models that `torch.compile` compiles, before or after."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch._dynamo
import torch._functorch.config
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli import DynamicBatch

from .problems import batch, mlp

Compiled = tuple[Callable[[Tensor], Tensor], DynamicBatch]

# What makes the code, the slow part, is left out: everything before it is torch.compile's.
BACKEND = "aot_eager"


@pytest.fixture(autouse=True)
def _compiler_as_torch_ships_it() -> Iterator[None]:
    torch.compiler.reset()
    with torch._functorch.config.patch(donated_buffer=True):
        yield
    torch.compiler.reset()


def losses_of(model: nn.Module, call: Callable[[Tensor], Tensor], n: int = 12) -> Tensor:
    x, y = batch(n, next(model.parameters()).dtype)
    return F.cross_entropy(call(x), y, reduction="none")


def before(model: nn.Module) -> Compiled:
    dba = DynamicBatch(model)
    return torch.compile(model, backend=BACKEND), dba


def after(model: nn.Module) -> Compiled:
    compiled = torch.compile(model, backend=BACKEND)
    return compiled, DynamicBatch(compiled)


def already_run(model: nn.Module) -> Compiled:
    compiled = torch.compile(model, backend=BACKEND)
    losses_of(model, compiled).mean().backward()
    return compiled, DynamicBatch(compiled)


def in_place(model: nn.Module) -> Compiled:
    model.compile(backend=BACKEND)
    return model, DynamicBatch(model)


def within_a_function(model: nn.Module) -> Compiled:
    return torch.compile(lambda x: model(x), backend=BACKEND), DynamicBatch(model)


def as_one_graph(model: nn.Module) -> Compiled:
    return torch.compile(model, backend=BACKEND, fullgraph=True), DynamicBatch(model)


def train_beside(model: nn.Module, twin: nn.Module, way: Callable[..., Any]) -> None:
    """Three steps of a compiled model end in the weights of the same steps of an eager one."""
    compiled, dba = way(model)
    other = DynamicBatch(twin)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin)]
    for _ in range(3):
        for optimizer in optimizers:
            optimizer.zero_grad()
        ours, theirs = dba.backward(losses_of(model, compiled)), other.backward(losses_of(twin, twin))
        assert list(ours.sizes.values()) == list(theirs.sizes.values())
        for optimizer in optimizers:
            optimizer.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q)


@pytest.mark.filterwarnings("ignore:layers are compiled")
@pytest.mark.parametrize("way", [before, after, already_run, in_place, within_a_function, as_one_graph])
def test_a_compiled_model_trains_as_an_eager_one(way: Callable[..., Any]) -> None:
    train_beside(mlp(), mlp(), way)


@pytest.mark.filterwarnings("ignore:layers are compiled")
def test_batches_of_other_sizes_and_a_reference_go_through_the_compiled_model() -> None:
    """With the second size torch compiles anew for any, and then its function takes the size too."""
    found = []
    for way in (before, lambda model: (model, DynamicBatch(model))):
        model = mlp()
        call, _ = way(model)
        dba = DynamicBatch(model, rule="agreement", min_fraction=0)
        for n in (12, 7):
            dba.backward(losses_of(model, call, n), reference=losses_of(model, call, 5))
        found.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("way", [before, after, already_run])
def test_layers_may_be_kept_out_of_the_graphs(way: Callable[..., Any]) -> None:
    model = mlp()
    for layer in model:
        if isinstance(layer, (nn.Linear, nn.LayerNorm)):
            layer.forward = torch.compiler.disable(layer.forward)
    train_beside(model, mlp(), way)


def test_compiled_layers_are_said_to_be_slow() -> None:
    model = mlp()
    compiled, dba = after(model)
    with pytest.warns(UserWarning, match="layers are compiled.*torch.compiler.disable") as warned:
        dba.backward(losses_of(model, compiled))
    assert warned[0].filename == __file__
    dba.backward(losses_of(model, compiled))


def test_layers_out_of_the_graphs_and_one_graph_are_refused_by_torch() -> None:
    model = mlp()
    model[0].forward = torch.compiler.disable(model[0].forward, reason="selection")
    compiled, _ = as_one_graph(model)
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"torch.compiler.disable"):
        losses_of(model, compiled)
