"""Gram matrices from thin factors, using their symmetry.

Every function adds to or fills the lower triangle in strips of rows, each strip reaching to the diagonal, so
that nearly half of the multiply-adds are never done; `mirror` then copies the triangle upwards. Index
conventions: i, j samples (n); t, s positions (T); p, q features.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from ._products import row_products

STRIP = 128
"""Rows computed at once: tall enough for full multiply speed, low enough to skip nearly half the work."""

BLOCK = 1 << 20
"""Elements of the largest temporary: 4 MiB in float32."""


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
    for start, stop in strips(len(left)):
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
    height = max(1, min(STRIP, BLOCK // (n * positions * positions)))
    for start, stop in strips(n, height):
        pairs = products(slice(start * positions, stop * positions), slice(0, stop * positions))
        torch.sum(pairs.view(stop - start, positions, stop, positions), (1, 3), out=out[start:stop, :stop])
    mirror(out, height)


def explicit_gram(slabs: Iterable[Tensor], out: Tensor) -> None:
    """``K_ij = sum_slabs <slab_i, slab_j>``, of parts of the per-sample gradients, each (n, ...)."""
    out.zero_()
    for part in slabs:
        slab = part.flatten(1)
        for start, stop in strips(len(slab)):
            out[start:stop, :stop].add_(row_products(slab[start:stop], slab[:stop]))
    mirror(out)


def pairs_are_cheaper(n: int, positions: int, p: int, q: int) -> bool:
    """Whether position pairs need fewer multiply-adds than explicit gradients in slabs.

    Pairs take n^2 T^2 (p + q), slabs n T p q to form the gradients and n^2 p q to multiply them; the rule
    of the mixed ghost clipping of Bu et al. (2022), with the Gram matrix in place of the norms.
    """
    return n * positions * positions * (p + q) <= (positions + n) * p * q
