from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch

from ..exactness import assert_exact


class Scale(nn.Module):
    """A module of a user's: its own parameter, a shared argument and an argument by name."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor, shared: Tensor, *, shift: Tensor) -> Tensor:
        return x * self.scale.exp() * shared + shift


class Wrapper(nn.Module):
    """A parameter of its own beside layers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.body = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(torch.cat((self.token.expand(len(x), -1, -1), x), 1)).tanh()


def called(module: nn.Module, *args: Tensor) -> Tensor:
    output = module(*args)
    return output[0] if isinstance(output, tuple) else output


def attention(module: nn.Module, x: Tensor) -> Tensor:
    return module(x, x, x, attn_mask=torch.zeros(6, 6, dtype=torch.bool).triu(1))[0]


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
@pytest.mark.parametrize(
    ("build", "shapes", "call"),
    [
        (lambda: nn.PReLU(4), [(5, 4)], called),
        (lambda: nn.ConvTranspose2d(2, 4, 3, stride=2, output_padding=1), [(5, 2, 4, 4)], called),
        (lambda: nn.Bilinear(3, 4, 2), [(5, 3), (5, 4)], called),
        (lambda: nn.GRU(4, 3, batch_first=True), [(5, 6, 4)], called),
        (lambda: nn.LSTM(4, 3, num_layers=2, batch_first=True), [(5, 6, 4)], called),
        (Scale, [(5, 4), (4,), (5, 4)], lambda m, x, shared, shift: m(x, shared, shift=shift)),
        # These two are one layer with the modules inside them.
        (lambda: nn.MultiheadAttention(4, 2, batch_first=True), [(5, 6, 4)], attention),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), [(5, 4)], called),
    ],
)
def test_modules_without_a_sampler(
    build: Callable[[], nn.Module],
    shapes: list[tuple[int, ...]],
    call: Callable[..., Tensor],
    dtype: torch.dtype,
    rtol: float,
) -> None:
    torch.manual_seed(0)
    model = build().to(dtype)
    args = [torch.randn(shape, dtype=dtype) for shape in shapes]
    layers = {"": [name for name, _ in model.named_parameters()]}
    assert_exact(model, lambda m: call(m, *args).square().flatten(1).sum(1), layers, rtol=rtol)


def test_written_gradients_hold_no_graph() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.PReLU(4), nn.Linear(4, 2))
    DynamicBatch(model).backward(model(torch.randn(6, 4)).square().sum(1))
    assert [p.grad.requires_grad for p in model.parameters()] == [False] * 5


def test_a_parameter_beside_child_layers() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Wrapper(), nn.Linear(4, 2)).double()
    x = torch.randn(5, 3, 4, dtype=torch.float64)
    assert_exact(model, lambda m: m(x).square().sum((1, 2)))
