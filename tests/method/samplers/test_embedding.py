import pytest
import torch
from torch import nn

from dba_cli import DynamicBatch
from dba_cli.method._samplers import _embedding

from ..exactness import assert_exact


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 5), (6, 2, 3), (6, 40)])
@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("vocabulary", [3, 50])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-10), (torch.float32, 2e-5)])
def test_embedding(
    shape: tuple[int, ...], padding_idx: int | None, vocabulary: int, dtype: torch.dtype, rtol: float
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(vocabulary, 4, padding_idx=padding_idx), nn.Linear(4, 3)).to(dtype)
    tokens = torch.randint(0, vocabulary, shape)
    assert_exact(model, lambda m: m(tokens).tanh().flatten(1).sum(1), rtol=rtol)


def test_slabs_of_any_size_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_embedding, "BLOCK", 1)
    test_embedding((6, 40), 2, 50, torch.float64, 1e-10)


@pytest.mark.parametrize("option", ["sparse", "scale_grad_by_freq"])
def test_options_without_dense_sample_gradients_are_refused_by_name(option: str) -> None:
    model = nn.Sequential(nn.Embedding(5, 4, **{option: True}), nn.Linear(4, 1))
    dba = DynamicBatch(model)
    with pytest.raises(RuntimeError, match=rf"parameter '0.weight'.*{option}=False"):
        dba.backward(model(torch.arange(3)).squeeze(1))
