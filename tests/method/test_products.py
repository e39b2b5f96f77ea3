"""oneDNN's product, and the linear layer on it, beside PyTorch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dba_cli.method import DynamicBatch, _products, use_fast_products

from .exactness import assert_exact

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
    dba = DynamicBatch(model, rule="all", check=0)
    losses = F.cross_entropy(model(torch.randn(N, Q)), torch.arange(N) % 3, reduction="none")
    products.clear()
    dba.backward(losses)
    assert (P + 50, P) not in products  # the second layer's weight gradient; its input's is needed
    assert (N, P) in products


def test_dba_on_it_is_exact() -> None:
    model = network()
    use_fast_products(model)
    x, y = torch.randn(N, Q), torch.arange(N) % 3
    assert_exact(model, lambda m: F.cross_entropy(m(x), y, reduction="none"), rtol=2e-5, check=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (90, 80, 100), (80, 100, 90)])
@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # what torch says about any use of flags()
def test_row_products(dtype: torch.dtype, shape: tuple[int, int, int], enabled: bool) -> None:
    m, n, k = shape
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(m, k, dtype=dtype, generator=generator)
    b = torch.randn(k + 3, n, dtype=dtype, generator=generator)[:k].t()
    a, b = torch.cat((a, a), 1)[:, :k], b.repeat(1, 2)[:, :k]
    with torch.backends.mkldnn.flags(enabled=enabled):
        torch.testing.assert_close(_products.row_products(a, b), torch.einsum("ik,jk->ij", a, b))


def test_without_the_kernel_it_is_the_plain_product(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        raise AttributeError("no such operator")

    monkeypatch.setattr(_products, "_onednn", missing)
    _products._onednn_works.cache_clear()
    try:
        a = torch.randn(100, 100)
        assert torch.equal(_products.row_products(a, a), a @ a.t())
    finally:
        _products._onednn_works.cache_clear()
