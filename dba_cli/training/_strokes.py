"""Thicker and thinner strokes, by morphology on a finer grid."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_FINER = 4  # sub-pixels per pixel and axis


def stroke_variants(images: Tensor, thickness: float) -> Tensor:
    """Return ``images`` (n, 1, height, width) as they are, thicker, thinner, ...: one row for each variant.

    Grey-scale dilation and erosion by a disc, for each radius of 1/4, 2/4, ... pixel up to ``thickness``, on
    images enlarged four times (bicubic) and averaged back.
    """
    variants = [images]
    radii = range(1, math.floor(thickness * _FINER + 1e-9) + 1)
    if radii:
        fine = F.interpolate(images, scale_factor=_FINER, mode="bicubic", align_corners=False).clamp(0, 1)
        for radius in radii:
            variants.append(F.avg_pool2d(_dilate(fine, radius), _FINER))
            variants.append(F.avg_pool2d(1 - _dilate(1 - fine, radius), _FINER))
    return torch.stack(variants)


def _dilate(images: Tensor, radius: int) -> Tensor:
    """Return the maximum over a disc around each pixel; beyond the border the border is repeated."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (radius,) * 4, mode="replicate")
    out = images
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                top, left = radius + dy, radius + dx
                out = torch.maximum(out, padded[..., top : top + height, left : left + width])
    return out
