import numpy as np
import pytest
import torch

from dba_cli.data import pixel_statistics, to_tensors


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (7, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_bytes_become_floats_from_zero_to_one(images: torch.Tensor) -> None:
    scaled = to_tensors(images)
    assert scaled.shape == (7, 1, 28, 28)
    assert scaled.dtype == torch.float32
    assert scaled[3, 0].numpy() == pytest.approx(images[3].numpy() / 255, abs=1e-7)
    assert to_tensors(torch.tensor([[[0, 255]]], dtype=torch.uint8)).flatten().tolist() == [0.0, 1.0]


def test_flatten_gives_rows_of_pixels(images: torch.Tensor) -> None:
    rows = to_tensors(images, flatten=True)
    assert rows.shape == (7, 784)
    assert rows.equal(to_tensors(images).reshape(7, 784))


def test_standardised_by_its_own_pixels(images: torch.Tensor) -> None:
    statistics = pixel_statistics(images)
    assert statistics.mean == pytest.approx(np.mean(images.numpy() / 255))
    assert statistics.std == pytest.approx(np.std(images.numpy() / 255))
    standardised = to_tensors(images, standardize=statistics).double()
    assert float(standardised.mean()) == pytest.approx(0, abs=1e-6)
    assert float(standardised.std(correction=0)) == pytest.approx(1, abs=1e-6)


def test_scaling_twice_is_refused(images: torch.Tensor) -> None:
    with pytest.raises(TypeError, match="uint8"):
        to_tensors(to_tensors(images))


@pytest.mark.parametrize("count", [0, 2])
def test_constant_pixels_have_no_scale(count: int) -> None:
    with pytest.raises(ValueError, match="two different pixel values"):
        pixel_statistics(torch.zeros(count, 28, 28, dtype=torch.uint8))
