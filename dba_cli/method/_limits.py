"""How many samples a selection may keep."""

from dataclasses import dataclass
from math import ceil, floor

_ROUNDING = 1e-9
"""0.1 * 3 is 0.30000000000000004: a product that is whole but for rounding counts as whole."""


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Limits on the size of a selection; at least one sample is always kept.

    Attributes:
        min_fraction: at least ``ceil(min_fraction * n)`` samples of n, in [0, 1].
        max_fraction: at most ``floor(max_fraction * n)`` samples, in (0, 1], not below `min_fraction`.
        size: exactly this many samples (all, where there are fewer), instead of the fractions.

    Raises:
        ValueError: a limit outside its range.
    """

    min_fraction: float = 0.0
    max_fraction: float = 1.0
    size: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_fraction <= 1:
            raise ValueError(f"min_fraction must be in [0, 1], not {self.min_fraction}")
        if not 0 < self.max_fraction <= 1:
            raise ValueError(f"max_fraction must be in (0, 1], not {self.max_fraction}")
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be at least 1, not {self.size}")
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

    def shared(self, counts: list[int]) -> list["SizeLimits"]:
        """Limits for the parts of a batch, of `counts` samples each; a fixed size is split in proportion.

        Splitting rounds by largest remainder, parts without a sample first; no part stays without one, even
        where that makes the sum larger than the size.
        """
        if self.size is None:
            return [self] * len(counts)
        total = sum(counts)
        exact = [min(self.size, total) * count / total for count in counts]
        sizes = [floor(share + _ROUNDING) for share in exact]
        by_remainder = sorted(
            range(len(counts)), key=lambda part: (sizes[part] > 0, sizes[part] - exact[part])
        )
        for part in by_remainder[: min(self.size, total) - sum(sizes)]:
            sizes[part] += 1
        return [SizeLimits(size=max(1, size)) for size in sizes]
