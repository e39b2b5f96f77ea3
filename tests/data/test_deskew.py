"""Deskewing, against moments summed pixel by pixel and against scipy's resampling."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from dba_cli.data import deskew
from dba_cli.data._embedded import load_embedded


def moments(image: np.ndarray) -> tuple[float, float, float]:
    """Centre of mass from the image's middle (x, y), and the covariance of x and y over the variance of y."""
    height, width = image.shape
    points = [
        (x - (width - 1) / 2, y - (height - 1) / 2, float(image[y, x]))
        for y in range(height)
        for x in range(width)
    ]
    total = sum(mass for _, _, mass in points)
    cx, cy = sum(x * mass for x, _, mass in points) / total, sum(y * mass for _, y, mass in points) / total
    covariance = sum((x - cx) * (y - cy) * mass for x, y, mass in points)
    variance = sum((y - cy) ** 2 * mass for _, y, mass in points)
    return cx, cy, covariance / variance


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    images = load_embedded()[0]
    return images[::83].float() / 255  # thirteen, of all classes


def test_the_mass_is_in_the_middle_and_the_slant_is_gone(digits: torch.Tensor) -> None:
    before = np.array([moments(image) for image in digits[:, 0].double().numpy()])
    after = np.array([moments(image) for image in deskew(digits)[:, 0].double().numpy()])
    assert np.abs(before).max(axis=0) == pytest.approx([2.5, 2.5, 0.7], rel=0.9)  # there was something to do
    # Bilinear resampling is exact on straight ramps alone.
    np.testing.assert_allclose(after, 0, atol=0.03)


@pytest.mark.parametrize("shape", [(28, 28), (20, 36)])
def test_each_image_is_resampled_once_where_the_moments_say(
    digits: torch.Tensor, shape: tuple[int, int]
) -> None:
    images = torch.zeros(len(digits), 1, *shape)
    images[:, :, 1:19, 2:26] = digits[:, :, 5:23, 2:26]
    y, x = np.indices(shape)
    for image, result in zip(images[:, 0].double().numpy(), deskew(images)[:, 0].numpy(), strict=True):
        cx, cy, slant = moments(image)
        from_x = x + cx + slant * (y - (shape[0] - 1) / 2)
        expected = ndimage.map_coordinates(image, [y + cy, from_x], order=1, mode="grid-constant")
        np.testing.assert_allclose(result, expected, atol=2e-5)


def test_no_ink_and_no_images() -> None:
    blank = torch.zeros(2, 1, 28, 28)
    assert deskew(blank).equal(blank)
    assert deskew(blank[:0]).shape == (0, 1, 28, 28)


def test_an_image_does_not_depend_on_the_others(
    digits: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = deskew(digits)
    monkeypatch.setattr("dba_cli.data._deskew._CHUNK", 4)
    torch.testing.assert_close(deskew(digits), together, atol=1e-6, rtol=0)
    torch.testing.assert_close(deskew(digits[3:4]), together[3:4], atol=1e-6, rtol=0)
