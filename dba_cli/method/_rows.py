"""Which rows of a tensor belong to which sample: proved by autograd, not guessed from shapes.

With coefficients c_i on the losses in place of ones, the gradient of a row that belongs to sample i alone is
c_i times what it was; that of a row that samples share is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

TOLERANCE = 1e-4
"""Largest difference, relative to a sample's largest element; powers of two add no rounding."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples lie along one axis, `count` places each.

    Attributes:
        axis: the axis, of n times `count` places.
        count: places of a sample along it.
        major: whether a sample's places are next to each other; otherwise all samples' first places come
            first, then all second ones.
    """

    axis: int
    count: int
    major: bool

    def split(self, tensor: Tensor, n: int) -> Tensor:
        """Samples first: (n, ...), where the axis has `count` places left."""
        if self.axis == 0 and self.major:
            if self.count == 1:
                return tensor.unsqueeze(1)
            return tensor.reshape(n, self.count, *tensor.shape[1:])
        sizes = (n, self.count) if self.major else (self.count, n)
        shape = (*tensor.shape[: self.axis], *sizes, *tensor.shape[self.axis + 1 :])
        return tensor.reshape(shape).movedim(self.axis + (not self.major), 0)

    def masks(self, samples: range, n: int, like: Tensor) -> Tensor:
        """For each of the samples, a tensor that is 1 on its rows and broadcasts to `like`: (b, ...)."""
        chosen = torch.arange(samples.start, samples.stop, device=like.device)
        return (self.owners(n, like) == chosen.view(-1, *(1,) * like.ndim)).to(like.dtype)

    def owners(self, n: int, like: Tensor) -> Tensor:
        """The sample of each row, broadcasting to `like`."""
        places = torch.arange(n * self.count, device=like.device)
        owners = places // self.count if self.major else places % n
        return owners.view(*(1,) * self.axis, -1, *(1,) * (like.ndim - 1 - self.axis))


def coefficients(n: int) -> Tensor:
    """Signed powers of two, (n,): the same for the same n, drawn without touching the random state."""
    generator = torch.Generator().manual_seed(n)
    powers = torch.randint(-3, 4, (n,), generator=generator)
    signs = torch.randint(0, 2, (n,), generator=generator) * 2 - 1
    return signs * 2.0**powers


def rows_of(plain: Tensor, scaled: Tensor, c: Tensor) -> tuple[Rows | None, Tensor | None]:
    """The rows of the samples in a tensor, from its gradients under equal weights and under `c`, (n,).

    None where there is no such axis. Also the places, as a mask that broadcasts to the tensor, that are in
    doubt: so much of the gradient is zero that several axes fit, which give them to different samples. None
    where there are none.
    """
    n = len(c)
    known = plain.isfinite() & scaled.isfinite()
    plain, scaled = plain.where(known, 0), scaled.where(known, 0)
    fitting = [rows for rows in _candidates(plain.shape, n) if _fits(rows, plain, scaled, c.to(plain))]
    if not fitting:
        return None, None
    doubts = [] if known.all() else [~known]
    for other in fitting[1:] if n > 1 else []:
        differ = fitting[0].owners(n, plain) != other.owners(n, plain)
        if differ.any():
            doubts.append(differ)
    return fitting[0], reduce(torch.logical_or, doubts) if doubts else None


def _candidates(shape: torch.Size, n: int) -> Iterator[Rows]:
    for axis, size in enumerate(shape):
        if size and size % n == 0:
            yield Rows(axis, size // n, True)
            if n > 1 and size > n:
                yield Rows(axis, size // n, False)


def _fits(rows: Rows, plain: Tensor, scaled: Tensor, c: Tensor) -> bool:
    expected = rows.split(plain, len(c)).reshape(len(c), -1) * c.unsqueeze(1)
    error = (rows.split(scaled, len(c)).reshape(len(c), -1) - expected).abs().amax(1)
    return bool((error <= TOLERANCE * expected.abs().amax(1)).all())


def may_hold_samples(shape: tuple[int, ...], n: int) -> bool:
    """Whether some axis could be that of the samples."""
    return any(size and size % n == 0 for size in shape)
