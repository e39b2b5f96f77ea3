"""Whole transformers under `torch.compile` with its default settings, code and all."""

import copy
import shutil

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli import DynamicBatch

pytestmark = [
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler"),
    pytest.mark.filterwarnings("ignore:layers are compiled"),
    # torch.compile itself warns, of its own code and of what it looks at where a graph breaks.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The .grad attribute of a Tensor"),
]


class Tokens(nn.Module):
    """A transformer as torch builds it, dropout off, between an embedding and a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        self.positions = nn.Parameter(torch.randn(6, 16))
        self.blocks = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True), 2
        )

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.blocks(self.embedding(tokens) + self.positions)
        return F.linear(hidden, self.embedding.weight)


def losses_of(model: nn.Module) -> Tensor:
    tokens = torch.arange(60).view(10, 6) * 7 % 20
    return F.cross_entropy(model(tokens).mT, tokens.roll(1, 1), reduction="none").mean(1)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("layers_out", [True, False])
@pytest.mark.parametrize("fullgraph", [True, False])
def test_it_trains_as_an_eager_one(early: bool, layers_out: bool, fullgraph: bool) -> None:
    if layers_out and fullgraph:
        pytest.skip("torch refuses it")
    torch.compiler.reset()
    torch.manual_seed(0)
    model = Tokens()
    twin = copy.deepcopy(model)
    if layers_out:
        for layer in model.modules():
            if isinstance(layer, (nn.Linear, nn.Embedding, nn.LayerNorm, nn.MultiheadAttention)):
                layer.forward = torch.compiler.disable(layer.forward)
    dba = DynamicBatch(model) if early else None
    compiled = torch.compile(model, fullgraph=fullgraph)
    losses_of(compiled).mean().backward()
    dba = dba or DynamicBatch(compiled)
    other = DynamicBatch(twin)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin)]
    for _ in range(3):
        for optimizer in optimizers:
            optimizer.zero_grad()
        ours, theirs = dba.backward(losses_of(compiled)), other.backward(losses_of(twin))
        assert list(ours.sizes.values()) == list(theirs.sizes.values())
        for optimizer in optimizers:
            optimizer.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)
