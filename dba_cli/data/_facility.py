"""Choosing which images to label: the ones that stand for their class best."""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dba_cli.data._deskew import deskew
from dba_cli.data._load import ImageData, as_floats

_BLUR = 1.5  # pixels: strokes that nearly meet are near
FACILITY_LIMIT = 15_000
"""Images of a class: the distances between all of them take 1 GB, and twice as much again while choosing."""


@lru_cache(maxsize=4)
def facility_location(data: ImageData, pool: tuple[int, ...], sizes: tuple[int, ...]) -> Tensor:
    """Choose images by greedy facility location within each class.

    Each image added lowers the sum, over the class, of the squared distances to the nearest chosen image the
    most (a submodular gain, so that greedy is within 1 - 1/e of the best; Nemhauser, Wolsey and Fisher 1978).
    Distances are Euclidean between blurred images, grey ones deskewed before, or rows of a table; squared, as
    in k-means, they draw the choice to samples far from all others. Nothing random: ties go to the first.

    Args:
        data: images and labels of a source.
        pool: indices of the training images that may be chosen.
        sizes: how many images of each class; none may have more than FACILITY_LIMIT to choose from.

    Returns:
        int64 indices into the training images, ascending.
    """
    indices = torch.tensor(pool)
    chosen = []
    for label, size in enumerate(sizes):
        members = indices[data.train_labels[indices] == label]
        features = _features(as_floats(data.train_images[members]))
        chosen.append(members[_greedy(torch.cdist(features, features).square(), size)])
    return torch.cat(chosen).sort().values


def _greedy(distances: Tensor, size: int) -> Tensor:
    """Return ``size`` rows of ``distances`` (n, n)."""
    nearest = distances.max(dim=1).values
    chosen: list[int] = []
    for _ in range(size):
        gains = (nearest.unsqueeze(1) - distances).clamp_min_(0).sum(0)
        gains[chosen] = -1  # two equal images gain nothing once one is in
        best = int(gains.argmax())
        chosen.append(best)
        nearest = torch.minimum(nearest, distances[best])
    return torch.tensor(chosen)


def _features(images: Tensor) -> Tensor:
    if images.ndim == 2:
        return images.nan_to_num()
    radius = math.ceil(3 * _BLUR)
    kernel = torch.exp(-(torch.arange(-radius, radius + 1.0) ** 2) / (2 * _BLUR**2))
    kernel /= kernel.sum()
    straight = deskew(images) if images.shape[1] == 1 else images
    planes = straight.flatten(0, 1).unsqueeze(1)  # each channel is blurred by itself
    rows = F.conv2d(planes, kernel.view(1, 1, 1, -1), padding=(0, radius))
    return F.conv2d(rows, kernel.view(1, 1, -1, 1), padding=(radius, 0)).view(len(images), -1)
