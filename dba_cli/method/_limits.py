"""How many samples a selection may keep."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

_ROUNDING = 1e-9
"""0.1 * 3 is 0.30000000000000004: a product that is whole but for rounding counts as whole."""


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Limits on the size of a selection; at least one sample is always kept.

    The one place where limits are checked: whoever takes them from a user builds a `SizeLimits`.

    Attributes:
        min_fraction: at least ``ceil(min_fraction * n)`` samples of n, in [0, 1].
        max_fraction: at most ``floor(max_fraction * n)`` samples, in (0, 1], not below `min_fraction`.
        size: exactly this many samples (all, where there are fewer), instead of the fractions.
        sizes: how many sizes a search tries, evenly from the smallest to the largest; None tries every one.

    Raises:
        ValueError: a limit outside its range.
    """

    min_fraction: float = 0.0
    max_fraction: float = 1.0
    size: int | None = None
    sizes: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_fraction <= 1:
            raise ValueError(f"min_fraction must be in [0, 1], not {self.min_fraction}")
        if not 0 < self.max_fraction <= 1:
            raise ValueError(f"max_fraction must be in (0, 1], not {self.max_fraction}")
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be at least 1, not {self.size}")
        if self.sizes is not None and self.sizes < 2:
            raise ValueError(f"sizes must be at least 2, not {self.sizes}")
        if self.size is None and self.min_fraction > self.max_fraction:
            raise ValueError(
                f"min_fraction {self.min_fraction} is above max_fraction {self.max_fraction}; lower "
                "the one or raise the other"
            )

    def bounds(self, n: int) -> tuple[int, int]:
        """Smallest and largest size for n samples; the smallest wins where no whole number lies between."""
        if self.size is not None:
            return min(self.size, n), min(self.size, n)
        smallest = max(1, ceil(self.min_fraction * n - _ROUNDING))
        return smallest, max(smallest, floor(self.max_fraction * n + _ROUNDING))

    def tried(self, n: int) -> Sequence[int]:
        """The sizes that a search tries for n samples, ascending."""
        smallest, largest = self.bounds(n)
        return evenly(smallest, largest, largest if self.sizes is None else self.sizes)

    def shared(self, counts: list[int]) -> list["SizeLimits"]:
        """Limits for the parts of a batch, of `counts` samples each, no more parts than samples may be kept.

        The bounds of the whole are shared in proportion (Sainte-Laguë), one sample at least for each part:
        upper bounds add up to that of the whole, lower bounds to that of the whole or the number of parts.
        """
        # In the order in which seats are given once every part has one. The order does not depend on their
        # number, so that no part's lower bound is above its upper bound.
        seats = sorted(
            (divisor / count, part) for part, count in enumerate(counts) for divisor in range(3, 2 * count, 2)
        )
        smallest, largest = (
            Counter(part for _, part in seats[: max(0, total - len(counts))])
            for total in self.bounds(sum(counts))
        )
        return [
            SizeLimits((1 + smallest[part]) / count, (1 + largest[part]) / count, sizes=self.sizes)
            for part, count in enumerate(counts)
        ]


def evenly(first: int, last: int, number: int) -> Sequence[int]:
    """So many different whole numbers from the first to the last, or all of them where there are fewer."""
    if number > last - first:
        return range(first, last + 1)
    return [first + round(k * (last - first) / (number - 1)) for k in range(number)]
