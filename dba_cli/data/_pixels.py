"""From bytes to floats, without looking at a pixel that is not the run's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and population standard deviation of all pixels of some images, on the scale from 0 to 1."""

    mean: float
    std: float


def pixel_statistics(images: Tensor) -> PixelStatistics:
    """Return the statistics of ``images``, uint8 of any shape; give it the draw's images, never the pool's.

    Raises:
        ValueError: the images are of one constant value, or there are none: they have no scale.
    """
    pixels = images.double() / 255
    std = float(pixels.std(correction=0)) if pixels.numel() else 0.0
    if std == 0.0:
        raise ValueError("pixel_statistics needs at least two different pixel values")
    return PixelStatistics(float(pixels.mean()), std)


def to_tensors(
    images: Tensor, *, flatten: bool = False, standardize: PixelStatistics | None = None
) -> Tensor:
    """Scale uint8 images to float32 in [0, 1], and no more unless asked.

    The usual MNIST constants (mean 0.1307, standard deviation 0.3081) are deliberately not applied: they were
    computed from the whole training set, and the protocol of a random draw is that nothing outside the draw
    is touched, labels or pixels. To standardise honestly, pass ``pixel_statistics`` of the draw's own
    images, the same for training and test.

    Args:
        images: uint8, shape (n, 28, 28).
        flatten: return rows of pixels rather than images with one channel.
        standardize: subtract this mean and divide by this standard deviation after scaling.

    Returns:
        float32 of shape (n, 784) if ``flatten``, else (n, 1, 28, 28).

    Raises:
        TypeError: the images are not uint8; scaled twice they would be nearly black.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"to_tensors takes uint8 images, not {images.dtype}")
    scaled = images.float() / 255
    if standardize is not None:
        scaled = (scaled - standardize.mean) / standardize.std
    return scaled.flatten(1) if flatten else scaled.unsqueeze(1)
