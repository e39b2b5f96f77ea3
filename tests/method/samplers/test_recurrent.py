"""oneDNN's LSTM, one node in float32: its samples' gradients without a backward call for each."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ..exactness import assert_exact


class Net(nn.Module):
    """Learned first states, and of the LSTM's answers what is read."""

    def __init__(self, read: Callable[..., Tensor], **options: Any) -> None:
        super().__init__()
        self.read, self.lstm = read, nn.LSTM(5, 4, **options)
        self.states = nn.Parameter(torch.randn(2, self.lstm.num_layers * (1 + self.lstm.bidirectional), 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        hidden, cell = self.states.expand(-1, -1, x.shape[1], -1)
        outputs, (last, memory) = self.lstm(x, (hidden.contiguous(), cell.contiguous()))
        return self.read(outputs, last, memory)


READ: dict[str, Callable[..., Tensor]] = {
    "outputs": lambda outputs, last, memory: outputs.square().sum((0, 2)),
    "last state": lambda outputs, last, memory: last[-1].square().sum(1),
    "cell": lambda outputs, last, memory: memory[0].sin().sum(1),
    "all": lambda outputs, last, memory: outputs[2].sum(1) + last[-1].square().sum(1) + memory[-1].sum(1),
}


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_an_lstm(read: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, x = Net(READ[read], **options), torch.randn(7, 6, 5)
    model.lstm.weight_ih_l0.requires_grad_(False)
    monkeypatch.setattr("dba_cli.method._layers.differentiated", None)
    assert_exact(model, lambda m: m(x), rtol=1e-4)


def test_several_sequences_of_one_sample_are_exact_too() -> None:
    torch.manual_seed(0)
    model, x = Net(READ["outputs"]), torch.randn(7, 12, 5)
    assert_exact(model, lambda m: m(x).view(6, 2).sum(1), rtol=1e-4)
