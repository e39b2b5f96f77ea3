"""Which training images a run sees: a stratified random draw that the generator alone decides."""

import hashlib
import math

import torch
from torch import Tensor

from dba_cli.errors import UserError


def draw(
    labels: Tensor,
    *,
    fraction: float | None = None,
    per_class: int | None = None,
    official_size: int,
    generator: torch.Generator,
) -> Tensor:
    """Draw training images at random without replacement, stratified by class.

    ``fraction`` is of the *official* training set: 0.01 of MNIST is 600 images from whichever source. They
    are shared out in proportion to the class counts in ``labels``, by largest remainders (ties to the smaller
    class), so that the sizes add up to exactly round(fraction * official_size). 1.0 is every image that the
    source has.

    Each class is shuffled by a generator of its own, seeded from ``generator``, and gives its first images.
    So which images a class gives depends on nothing but the seed, the size of that class and how many it is
    asked for, and under one seed its larger draws contain its smaller ones.

    Args:
        labels: int64 classes 0, 1, ... of the source's training images, shape (N,).
        fraction: above 0, at most 1. Exactly one of ``fraction`` and ``per_class`` is given.
        per_class: images of each class, at least 1.
        official_size: number of images that a fraction stands for a share of; see `ImageData`.
        generator: a CPU generator; it advances by the same amount whatever is drawn.

    Returns:
        int64 indices into ``labels``, sorted ascending, shape (n,).

    Raises:
        UserError: the source cannot give such a draw; names the nearest value that it can.
        ValueError: both or neither of ``fraction`` and ``per_class``.
    """
    sizes = class_sizes(labels, fraction=fraction, per_class=per_class, official_size=official_size)
    seeds = torch.randint(2**62, (len(sizes),), generator=generator).tolist()
    parts = []
    for label, (size, seed) in enumerate(zip(sizes, seeds, strict=True)):
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(seed))
        parts.append(members[order[:size]])
    return torch.cat(parts).sort().values


def class_sizes(
    labels: Tensor,
    *,
    fraction: float | None = None,
    per_class: int | None = None,
    official_size: int,
) -> list[int]:
    """Return how many images of each class a draw takes; arguments and errors are those of `draw`."""
    counts = torch.bincount(labels).tolist()
    if per_class is not None and fraction is None:
        return _equal_sizes(counts, per_class)
    if fraction is not None and per_class is None:
        return _proportional_sizes(counts, fraction, official_size)
    raise ValueError("draw takes exactly one of fraction and per_class")


def draw_sha256(indices: Tensor) -> str:
    """Return the SHA-256 (hexadecimal) of ``indices`` written as little-endian int64, in their order."""
    return hashlib.sha256(indices.cpu().numpy().astype("<i8").tobytes()).hexdigest()


def _equal_sizes(counts: list[int], per_class: int) -> list[int]:
    if per_class < 1:
        raise UserError(f"data.draw.per_class: {per_class} is no number of images: use 1 or more")
    smallest = min(counts)
    if per_class > smallest:
        raise UserError(
            f"data.draw.per_class: {per_class} images of each class, but class {counts.index(smallest)}"
            f" has only {smallest} in this training set: use {smallest} or less"
        )
    return [per_class] * len(counts)


def _proportional_sizes(counts: list[int], fraction: float, official_size: int) -> list[int]:
    if not 0 < fraction <= 1:
        raise UserError(f"data.draw.fraction: {fraction:g} is not above 0 and at most 1")
    available = sum(counts)
    if fraction == 1:
        return counts
    total = round(fraction * official_size)
    if total == 0:
        least = math.ceil(1 / official_size * 1e5) / 1e5
        raise UserError(
            f"data.draw.fraction: {fraction:g} of the official {official_size} images is none:"
            f" use {least:.5f} or more"
        )
    if total > available:
        # Five decimals tell single images of 60 000 apart; rounded down, so that the value is really valid.
        most = math.floor(available / official_size * 1e5) / 1e5
        raise UserError(
            f"data.draw.fraction: {fraction:g} of the official {official_size} images is {total}, but this"
            f" source has only {available}: use {most:g} or less, or 1.0 for all {available}"
        )
    # In integers, so that equal remainders are exactly equal.
    sizes = [total * count // available for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda label: -(total * counts[label] % available))
    for label in by_remainder[: total - sum(sizes)]:
        sizes[label] += 1
    return sizes
