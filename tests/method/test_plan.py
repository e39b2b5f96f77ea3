"""A plan is proved anew where it does not say whose a place is, and only there."""

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.method._tracing import Tracer

from .reference import sample_gradients


class Gated(nn.Module):
    """Tokens of which only some reach the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        return (self.down(self.up(x).tanh()) * gate).pow(2).sum((1, 2))


@pytest.mark.parametrize("tokens", [9, 5])  # one more than a multiple of the batch size
def test_silent_tokens_are_no_reason_to_prove_again(monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    proofs = []
    proved = Tracer._proved
    monkeypatch.setattr(Tracer, "_proved", lambda *a: proofs.append(1) or proved(*a))
    torch.manual_seed(0)
    model, n = Gated().double(), 4
    dba = DynamicBatch(model, rule="all")
    first = torch.zeros(n, tokens, 1, dtype=torch.float64)
    first[:, 0] = 1
    for gate, expected in [(first, 1), (first, 1), (torch.ones_like(first), 2), (first, 2), (first, 2)]:
        x = torch.randn(n, tokens, 3, dtype=torch.float64)
        model.zero_grad()
        dba.backward(model(x, gate))
        assert len(proofs) == expected
        each = sample_gradients(lambda x=x, gate=gate: model(x, gate), model.parameters())
        for k, parameter in enumerate(model.parameters()):
            torch.testing.assert_close(parameter.grad, torch.stack([g[k] for g in each]).mean(0))
