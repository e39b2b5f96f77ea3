"""Networks of torchvision, torch.nn and by hand as they are trained, against the loop over samples."""

import pytest
import torch

from tools import zoo


@pytest.mark.parametrize("name", zoo.quick())
def test_exact_in_float64(name: str) -> None:
    found = zoo.agreement(name, torch.float64)
    assert found.weighted < 1e-9
    assert found.mean < 1e-9


@pytest.mark.parametrize("name", ["torchvision: ViT", "torchvision: ConvNeXt", "torch.nn: LSTM, h_n"])
def test_exact_in_float32(name: str) -> None:
    found = zoo.agreement(name, torch.float32)
    assert found.weighted < 1e-4
    assert found.mean < 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "torchvision: ConvNeXt",
        "torchvision: ViT",
        "torch.nn: LSTM, two layers, both directions, dropout",
        "torch.nn: weight_norm (hook)",
    ],
)
def test_fifty_steps_of_all_end_where_plain_training_does(name: str) -> None:
    plain, ours = (zoo.trained(name, steps=50, with_dba=with_dba) for with_dba in (False, True))
    for one, other in zip(plain, ours, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-10)
