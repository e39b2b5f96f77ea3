from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dba_cli.method import _gram
from dba_cli.method._samplers import _outer_products

from ..exactness import assert_exact

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def losses(model: nn.Module, x: Tensor) -> Tensor:
    return model(x).tanh().square().flatten(1).sum(1)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 1, "bias": False},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "dilation": 2, "padding": "same"},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "padding": 2, "padding_mode": "reflect"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "replicate", "stride": 3},
        {"kernel_size": 3, "groups": 2},
        {"kernel_size": 3, "groups": 4, "stride": 2, "bias": False},
    ],
)
def test_convolution(dimensions: int, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = CONVOLUTIONS[dimensions](4, 8, **options).double()
    x = torch.randn(3, 4, *(6, 5, 5)[:dimensions], dtype=torch.float64)
    assert_exact(model, lambda m: losses(m, x))


@pytest.mark.parametrize("frozen", ["weight", "bias"])
def test_frozen(frozen: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 2)).double()
    getattr(model[1], frozen).requires_grad_(False)
    x = torch.randn(3, 2, 5, 5, dtype=torch.float64)
    assert_exact(model, lambda m: losses(m, x))


@pytest.mark.parametrize("groups", [1, 2])
def test_slabs_of_any_size_add_up(monkeypatch: pytest.MonkeyPatch, groups: int) -> None:
    monkeypatch.setattr(_gram, "STRIP", 2)
    monkeypatch.setattr(_outer_products, "BLOCK", 1)
    test_convolution(2, {"kernel_size": 3, "groups": groups})


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 4),
    groups=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_any_geometry(n: int, groups: int, **geometry: tuple[int, int]) -> None:
    torch.manual_seed(n)
    model = nn.Conv2d(2 * groups, groups, geometry.pop("kernel"), groups=groups, **geometry).double()
    x = torch.randn(n, 2 * groups, 6, 7, dtype=torch.float64)
    assert_exact(model, lambda m: losses(m, x))


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, stride=2, groups=2)), (20, 3, 9, 9)),
        (lambda: nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 3)), (300, 20)),
    ],
)
def test_float32(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model, x = build(), torch.randn(shape)
    assert_exact(model, lambda m: losses(m, x), rtol=2e-5)


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
    assert_exact(model, lambda m: losses(m, x))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
def test_any_sizes(n: int, positions: int, inputs: int, outputs: int) -> None:
    torch.manual_seed(n)
    model = nn.Sequential(nn.Linear(inputs, outputs), nn.Tanh(), nn.Linear(outputs, 2)).double()
    x = torch.randn(n, positions, inputs, dtype=torch.float64)
    assert_exact(model, lambda m: losses(m, x))


def test_a_subclass_that_keeps_forward_is_a_linear_layer_and_another_is_replayed() -> None:
    class Renamed(nn.Linear):
        pass

    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    torch.manual_seed(0)
    model = nn.Sequential(Renamed(4, 3), nn.Tanh(), Doubled(3, 2)).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    assert_exact(model, lambda m: losses(m, x))
