"""Which training images a run sees: a stratified random draw that the generator alone decides."""

import hashlib
import math
from pathlib import Path

import torch
from torch import Tensor

from dba_cli.errors import UserError, did_you_mean

_LISTS = Path(__file__).parent / "draws"


def draw(labels: Tensor, sizes: list[int], generator: torch.Generator) -> Tensor:
    """Draw training images at random without replacement, stratified by class.

    Each class is shuffled by a generator of its own, seeded from ``generator``, and gives its first images.
    So which images a class gives depends on nothing but the seed, the size of that class and how many it is
    asked for, and under one seed its larger draws contain its smaller ones.

    Args:
        labels: int64 classes 0, 1, ... of the source's training images, shape (N,).
        sizes: images of each class; see `class_sizes`.
        generator: a CPU generator; it advances by the same amount whatever is drawn.

    Returns:
        int64 indices into ``labels``, sorted ascending, shape (n,).
    """
    seeds = torch.randint(2**62, (len(sizes),), generator=generator).tolist()
    parts = []
    for label, (size, seed) in enumerate(zip(sizes, seeds, strict=True)):
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(seed))
        parts.append(members[order[:size]])
    return torch.cat(parts).sort().values


def class_sizes(
    labels: Tensor, *, fraction: float | None = None, per_class: int | None = None, official_size: int
) -> list[int]:
    """Return how many images of each class a draw takes.

    ``fraction`` is of the *official* training set: 0.01 of MNIST is 600 images from whichever source. They
    are shared out in proportion to the class counts in ``labels``, by largest remainders (ties to the smaller
    class), so that the sizes add up to exactly round(fraction * official_size). 1.0 is every image that the
    source has.

    Args:
        labels: int64 classes 0, 1, ... of the source's training images, shape (N,).
        fraction: above 0, at most 1. Exactly one of ``fraction`` and ``per_class`` is given.
        per_class: images of each class, at least 1.
        official_size: number of images that a fraction stands for a share of; see `ImageData`.

    Raises:
        UserError: the source cannot give such a draw; names the nearest value that it can.
    """
    counts = torch.bincount(labels).tolist()
    if per_class is not None:
        smallest = min(counts)
        if per_class > smallest:
            raise UserError(
                f"data.draw.per_class: {per_class} images of each class, but class {counts.index(smallest)}"
                f" has only {smallest} in this training set: use {smallest} or less"
            )
        return [per_class] * len(counts)
    assert fraction is not None
    if fraction == 1:
        return counts
    total, available = round(fraction * official_size), sum(counts)
    asked = f"data.draw.fraction: {fraction:g} of the training set's {official_size} samples is"
    # Five decimals tell single images of 60 000 apart; rounded so that the value named is really valid.
    if total == 0:
        raise UserError(f"{asked} none: use {math.ceil(1 / official_size * 1e5) / 1e5:.5f} or more")
    if total > available:
        raise UserError(
            f"{asked} {total}, but this source has only {available}: use"
            f" {math.floor(available / official_size * 1e5) / 1e5:g} or less, or 1.0 for all {available}"
        )
    # In integers, so that equal remainders are exactly equal.
    sizes = [total * count // available for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda label: -(total * counts[label] % available))
    for label in by_remainder[: total - sum(sizes)]:
        sizes[label] += 1
    return sizes


def listed(name: str) -> list[int]:
    """Return the indices of a draw that others published, such as ``rmnist_10``, or those in a text file.

    The file has one index in each line; what follows a ``#`` is a comment.

    Raises:
        ValueError: There is no such list or file, or a line is no index.
    """
    ours = {path.stem: path for path in sorted(_LISTS.glob("*.txt"))}
    path = ours.get(name, Path(name))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        near = did_you_mean(name, list(ours))
        raise ValueError(
            f"{name!r:.200}: neither a readable file of indices nor a known list{near}"
        ) from None
    indices = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError(f"{name:.200}, line {number}: {text!r:.40} is no index; give one in each line")
        indices += [int(text)] if text else []
    return indices


def imbalanced(sizes: list[int], ratio: float) -> list[int]:
    """Return how many samples of each class are left of ``sizes`` in a long-tailed draw.

    Class c of C keeps the share ratio ** (-c / (C - 1)), rounded down, at least one sample: all of class 0,
    one in ``ratio`` of the last (Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples).
    """
    last = len(sizes) - 1
    return [min(size, max(1, int(size * ratio ** (-c / last)))) for c, size in enumerate(sizes)]


def noisy(labels: Tensor, classes: int, kind: str, rate: float, generator: torch.Generator) -> Tensor:
    """Return ``labels`` of which round(rate * n), drawn at random, are wrong.

    Args:
        labels: int64 in 0 .. classes - 1, shape (n,).
        classes: their number.
        kind: ``symmetric``: each wrong one is any other class with equal probability; ``pair``: the next
            class, after the last the first (both as in Han et al. 2018, Co-teaching).
        rate: 0 to 1.
        generator: a CPU generator.
    """
    n = len(labels)
    wrong = torch.randperm(n, generator=generator)[: round(rate * n)]
    steps = torch.ones(len(wrong), dtype=torch.int64)
    if kind == "symmetric":
        steps = torch.randint(1, classes, (len(wrong),), generator=generator)
    changed = labels.clone()
    changed[wrong] = (labels[wrong] + steps) % classes
    return changed


def draw_sha256(indices: Tensor) -> str:
    """Return the SHA-256 (hexadecimal) of indices or labels as little-endian int64, in their order."""
    return hashlib.sha256(indices.cpu().numpy().astype("<i8").tobytes()).hexdigest()
