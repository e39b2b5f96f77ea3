"""Gram matrices from thin factors, using their symmetry.

Every function adds to or fills the lower triangle in strips of rows, each strip reaching to the diagonal, so
that nearly half of the multiply-adds are never done; `mirror` then copies the triangle upwards. Index
conventions: i, j samples (n); t, s positions (T); p, q features.
"""

from collections.abc import Callable, Iterable, Iterator
from math import prod

import torch
from torch import Tensor

from ._products import is_faster, row_products

STRIP = 128
"""Rows computed at once: tall enough for full multiply speed, low enough to skip nearly half the work."""

BLOCK = 1 << 22
"""Elements of the largest temporary: 16 MiB in float32."""

PAIRS = 1 << 20
"""Elements of the largest matrix of position pairs, which is gone through several times."""

PRODUCT, BATCHED, READ, ELEMENT = 0.01, 0.018, 0.25, 1.0
"""Nanoseconds of a multiply-add in a large matrix product and in one of many small ones, of an element read
once, and of one written and read again; on one core with 512-bit vectors. They choose between exact ways."""

COLUMNS = 64
"""Columns below which a matrix product loses its speed."""


SAMPLE = 1 << 21
"""Multiply-adds of one sample from which its own fast product beats its place in a batched one."""


def strips(n: int, height: int = STRIP) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of at most `height` rows."""
    return ((start, min(start + height, n)) for start in range(0, n, height))


def mirror(out: Tensor, height: int = STRIP) -> None:
    """Copy what lies below the strips' diagonal blocks of `out`, (n, n), to above them."""
    for start, stop in strips(out.shape[0], height):
        if start:
            out[:start, start:stop] = out[start:stop, :start].t()


def outer_product_gram(left: Tensor, right: Tensor, bias: bool, out: Tensor) -> None:
    """``K_ij = <left_i, left_j> (<right_i, right_j> + 1)``, of (n, p) and (n, q); the 1 only with a bias."""
    for start, stop in strips(left.shape[0]):
        strip = out[start:stop, :stop]
        outputs = row_products(left[start:stop], left[:stop])
        inputs = row_products(right[start:stop], right[:stop])
        if bias:
            torch.addcmul(outputs, outputs, inputs, out=strip)
        else:
            torch.mul(outputs, inputs, out=strip)
    mirror(out)


def position_pair_gram(positions: int, products: Callable[[slice, slice], Tensor], out: Tensor) -> None:
    """``K_ij = sum_ts products[(i, t), (j, s)]``, of gradients that are sums over T positions.

    `products` maps two ranges of flattened (sample, position) indices to a new matrix.
    """
    n = len(out)
    height = max(1, min(STRIP, PAIRS // (n * positions * positions)))
    for start, stop in strips(n, height):
        pairs = products(slice(start * positions, stop * positions), slice(0, stop * positions))
        torch.sum(pairs.view(stop - start, positions, stop, positions), (1, 3), out=out[start:stop, :stop])
    mirror(out, height)


def explicit_gram(slabs: Iterable[Tensor], out: Tensor) -> None:
    """``K_ij = sum_slabs <slab_i, slab_j>``, of parts of the per-sample gradients, each (n, ...)."""
    out.zero_()
    n = len(out)
    height = n
    for part in slabs:
        slab = part.reshape(n, -1)
        # Long rows are worth lower strips, which skip more of the upper triangle.
        height = min(height, STRIP if slab.shape[1] < STRIP * STRIP else max(16, min(STRIP, n // 4)))
        for start, stop in strips(n, height):
            out[start:stop, :stop].add_(row_products(slab[start:stop], slab[:stop]))
    mirror(out, height)


def outer_slabs(left: Tensor, right: Tensor) -> Iterator[Tensor]:
    """Parts of ``sum_t left_it right_it'``, of (n, T, p) and (n, T, q), each (n, some rows, some columns).

    Each is to be used before the next is made, in the same memory.
    """
    n, _, p = left.shape
    columns = min(right.shape[2], max(COLUMNS, BLOCK // (n * p)))
    rows = min(p, max(COLUMNS // 2, BLOCK // (n * columns)))
    memory = left.new_empty(n * rows * columns)
    for some in torch.split(left, rows, dim=2):
        for others in torch.split(right, columns, dim=2):
            shape = n, some.shape[2], others.shape[2]
            slab = memory[: prod(shape)].view(shape)
            if is_faster(some[0].t(), others[0].t(), worth_it=SAMPLE):
                for one, other, place in zip(
                    some.mT.unbind(), others.mT.unbind(), slab.unbind(), strict=True
                ):
                    place.copy_(row_products(one, other))
            else:
                torch.bmm(some.mT, others, out=slab)
            yield slab


def own_pair_sums(left: Tensor, right: Tensor, bias: bool) -> Tensor:
    """``sum_ts <left_it, left_is> (<right_it, right_is> + 1)``, (n,); the 1 only with a bias."""
    positions = left.shape[1]
    sums = []
    rows = max(1, PAIRS // positions**2)
    for some, others in zip(torch.split(left, rows), torch.split(right, rows), strict=True):
        outputs = torch.bmm(some, some.mT)
        inputs = torch.bmm(others, others.mT)
        pairs = outputs.addcmul_(outputs, inputs) if bias else outputs.mul_(inputs)
        sums.append(pairs.sum((1, 2)))
    return torch.cat(sums)


def sum_of_squares(slabs: Iterable[Tensor], n: int) -> Tensor:
    """``sum_slabs |slab_i|^2``, (n,), of parts of the per-sample gradients, each (n, ...)."""
    squares = [torch.linalg.vector_norm(slab.reshape(n, -1), dim=1).square() for slab in slabs]
    return torch.stack(squares).sum(0)


def triangle(n: int) -> float:
    """The share of an n x n matrix that strips compute."""
    return 0.5 + STRIP / (2 * max(STRIP, n))


def pair_cost(n: int, others: int, positions: int, p: int, q: int) -> float:
    """Nanoseconds of all pairs of positions of n samples and as many others each (1: their own)."""
    share, product = (1.0, BATCHED) if others == 1 else (triangle(n), PRODUCT)
    return share * n * others * positions**2 * ((p + q) * product + ELEMENT)


def slab_cost(n: int, others: int, positions: int, p: int, q: int) -> float:
    """Nanoseconds of explicit gradients in slabs, and of their inner products with so many others each.

    Beside the multiply-adds (the rule of the mixed ghost clipping of Bu et al. 2022, with the Gram matrix in
    place of the norms), slabs pay for their way through memory, which dominates where positions are few.
    """
    return n * p * q * (positions * BATCHED + 0.6 * others * PRODUCT + ELEMENT)
