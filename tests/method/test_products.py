import pytest
import torch

from dba_cli.method import _products
from dba_cli.method._products import row_products


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
        torch.testing.assert_close(row_products(a, b), torch.einsum("ik,jk->ij", a, b))


def test_without_the_kernel_it_is_the_plain_product(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        raise AttributeError("no such operator")

    monkeypatch.setattr(_products, "_onednn", missing)
    _products._onednn_works.cache_clear()
    try:
        a = torch.randn(100, 100)
        assert torch.equal(row_products(a, a), a @ a.t())
    finally:
        _products._onednn_works.cache_clear()
