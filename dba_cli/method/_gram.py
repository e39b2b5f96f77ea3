"""Gram matrices from thin factors, using their symmetry."""

import torch
from torch import Tensor

STRIP = 128
"""Rows computed at once: tall enough for full multiply speed, low enough to skip nearly half the work."""


def outer_product_gram(left: Tensor, right: Tensor | None, bias: bool, out: Tensor) -> Tensor:
    """Gram matrix of ``g_i = [left_i right_i', left_i]``, the second part only with a bias.

    ``K_ij = <left_i, left_j> (<right_i, right_j> + 1)``, the term 1 only with a bias. Only the lower
    triangle is computed, in strips that stay in the cache; the upper one is its mirror.

    Args:
        left: output gradients, (n, p).
        right: inputs, (n, q); None for a layer that learns its bias only.
        bias: whether the bias is learned.
        out: where to write K, (n, n).
    """
    n = left.shape[0]
    for start in range(0, n, STRIP):
        stop = min(start + STRIP, n)
        strip = out[start:stop, :stop]
        torch.mm(left[start:stop], left[:stop].t(), out=strip)
        if right is not None:
            inputs = right[start:stop] @ right[:stop].t()
            strip.addcmul_(strip, inputs) if bias else strip.mul_(inputs)
        if start:
            out[:start, start:stop] = strip[:, :start].t()
    return out
