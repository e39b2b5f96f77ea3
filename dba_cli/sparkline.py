"""A curve in one line of text."""

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"  # rising ink, for terminals without block characters


def sparkline(
    values: Sequence[float], width: int, *, low: float = 0.0, high: float = 1.0, ascii_only: bool = False
) -> str:
    """Return ``values`` as at most ``width`` signs, on a scale from ``low`` to ``high``.

    More values than signs are averaged in equal parts. What lies outside the scale is drawn at its end.
    """
    signs = ASCII if ascii_only else BLOCKS
    span = high - low
    top = len(signs) - 1
    return "".join(
        signs[min(top, max(0, int((value - low) / span * len(signs))))] if span > 0 else signs[0]
        for value in _fitted(values, width)
    )


def _fitted(values: Sequence[float], width: int) -> list[float]:
    n = len(values)
    if n <= width:
        return list(values)
    edges = [i * n // width for i in range(width + 1)]
    return [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
