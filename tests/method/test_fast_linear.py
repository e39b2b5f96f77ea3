"""The linear layer on oneDNN's product, beside PyTorch's own."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dba_cli.method import DynamicBatch, _products, use_fast_products

N, Q, P = 90, 120, 70  # 756 000 multiply-adds: above what is worth it


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(Q, P), nn.Tanh(), nn.Linear(P, P + 50, bias=False), nn.Linear(P + 50, 3))


def gradients(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    x.grad = None
    model.zero_grad()
    F.cross_entropy(model(x), torch.arange(len(x)) % 3).backward()
    assert x.grad is not None
    return [x.grad, *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The shapes of all products that the layer makes."""
    made: list[tuple[int, int]] = []
    real = _products.row_products

    def noting(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        made.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(_products, "row_products", noting)
    return made


@pytest.mark.parametrize(
    ("shape", "dtype", "fast"),
    [
        ((N, Q), torch.float32, True),
        ((4, Q), torch.float32, False),  # too small
        ((N, 2, Q), torch.float32, False),  # positions
        ((N, Q), torch.float64, False),
    ],
)
def test_it_is_torchs_layer(
    shape: tuple[int, ...], dtype: torch.dtype, fast: bool, products: list[tuple[int, int]]
) -> None:
    theirs, ours = network().to(dtype), network().to(dtype)
    use_fast_products(ours)
    x = torch.randn(*shape, dtype=dtype, requires_grad=True)
    if len(shape) == 3:
        theirs, ours = (nn.Sequential(model, nn.Flatten()) for model in (theirs, ours))
    for mine, other in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        torch.testing.assert_close(mine, other, rtol=0 if not fast else 1e-4, atol=0 if not fast else 1e-6)
    assert bool(products) is fast
    assert theirs.state_dict().keys() == ours.state_dict().keys()


def test_mixed_precision_and_a_missing_kernel_leave_it_to_torch(
    products: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = network(), torch.randn(N, Q)
    use_fast_products(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x).dtype == torch.bfloat16
    monkeypatch.setattr(_products, "_onednn_works", lambda: False)
    model(x)
    assert products == []


def test_a_subclass_is_left_alone() -> None:
    class Own(nn.Linear):
        pass

    model = nn.Sequential(Own(2, 2))
    use_fast_products(model)
    assert type(model[0]) is Own


def test_selection_makes_no_weight_gradients_on_the_way(products: list[tuple[int, int]]) -> None:
    model = network()
    use_fast_products(model)
    dba = DynamicBatch(model, rule="all", check="never")
    losses = F.cross_entropy(model(torch.randn(N, Q)), torch.arange(N) % 3, reduction="none")
    products.clear()
    dba.backward(losses)
    assert (P + 50, P) not in products  # the second layer's weight gradient; its input's is needed
    assert (N, P) in products


def test_dba_on_it_is_exact() -> None:
    model, other = network(), network()
    use_fast_products(model)
    x, y = torch.randn(N, Q), torch.arange(N) % 3
    found: list[Any] = []
    for each in (model, other):
        dba = DynamicBatch(each, check="always")
        found.append(dba.backward(F.cross_entropy(each(x), y, reduction="none")))
    assert found[0].sizes == found[1].sizes
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-6)
