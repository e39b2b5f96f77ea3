import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ..exactness import assert_exact


@pytest.mark.parametrize(
    ("bias", "frozen"), [(True, None), (True, "weight"), (True, "bias"), (False, None), (False, "weight")]
)
@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 4), (5, 2, 3, 4), (1, 4), (1, 30, 4), (200, 4), (40, 3, 4)])
def test_linear(shape: tuple[int, ...], bias: bool, frozen: str | None) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3, bias=bias)).double()
    if frozen is not None:
        getattr(model[2], frozen).requires_grad_(False)
    x = torch.randn(shape, dtype=torch.float64)
    assert_exact(model, lambda m: m(x).square().flatten(1).sum(1))


def test_float32() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 3))
    x = torch.randn(300, 20)
    assert_exact(model, lambda m: m(x).square().sum(1), rtol=2e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
def test_any_sizes(n: int, positions: int, inputs: int, outputs: int) -> None:
    torch.manual_seed(n)
    model = nn.Sequential(nn.Linear(inputs, outputs), nn.Tanh(), nn.Linear(outputs, 2)).double()
    x = torch.randn(n, positions, inputs, dtype=torch.float64)
    assert_exact(model, lambda m: m(x).square().sum((1, 2)))


def test_a_subclass_that_keeps_forward_is_a_linear_layer_and_another_is_replayed() -> None:
    class Renamed(nn.Linear):
        pass

    class Doubled(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    torch.manual_seed(0)
    model = nn.Sequential(Renamed(4, 3), nn.Tanh(), Doubled(3, 2)).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    assert_exact(model, lambda m: m(x).square().sum(1))
