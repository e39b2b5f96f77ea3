"""Straightening handwriting: a fixed preprocessing that looks at nothing but the image itself."""

import torch
import torch.nn.functional as F
from torch import Tensor

_CHUNK = 5000


def deskew(images: Tensor) -> Tensor:
    """Centre the mass of each image and shear its slant away.

    The slant is the covariance of x and y over the variance of y, with the grey values as masses. Each
    image is resampled once (bilinear, zeros outside).

    Args:
        images: float, shape (n, 1, height, width), not negative.

    Returns:
        Images of the same shape. An image without ink stays as it is.
    """
    chunks = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
    return torch.cat([_deskew(chunk) for chunk in chunks]) if chunks else images


def _deskew(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    y = torch.arange(height, dtype=images.dtype, device=images.device).view(1, -1, 1) - (height - 1) / 2
    x = torch.arange(width, dtype=images.dtype, device=images.device).view(1, 1, -1) - (width - 1) / 2
    mass = images.squeeze(1)
    total = mass.sum((1, 2)).clamp_min(1e-6)
    center_x, center_y = (mass * x).sum((1, 2)) / total, (mass * y).sum((1, 2)) / total
    dx, dy = x - center_x.view(-1, 1, 1), y - center_y.view(-1, 1, 1)
    slant = (mass * dx * dy).sum((1, 2)) / (mass * dy * dy).sum((1, 2)).clamp_min(1e-6)
    # Where each new pixel is read from, in grid_sample's units: half an image is 1.
    theta = torch.zeros(len(images), 2, 3, dtype=images.dtype, device=images.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    theta[:, 0, 1] = slant * height / width
    theta[:, 0, 2], theta[:, 1, 2] = center_x * 2 / width, center_y * 2 / height
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
