"""The statistics of a table: Student t intervals and error reductions paired by seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

# scipy.special, not scipy.stats: the same quantile, and `dba compare` starts half a second sooner.
from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with the half-width of its two-sided 95 % confidence interval, in the values' own unit.

    ``half_width`` is None where ``n`` is 1: one value says nothing about its own spread. In another unit
    it is a product, and as text, in the format of its numbers, the two: ``f"{100 * reduction:.1f} %"``.
    """

    mean: float
    half_width: float | None
    n: int

    def __rmul__(self, factor: float) -> "Estimate":
        half_width = None if self.half_width is None else factor * self.half_width
        return Estimate(factor * self.mean, half_width, self.n)

    def __format__(self, spec: str) -> str:
        half_width = "" if self.half_width is None else f" ± {self.half_width:{spec.removeprefix('+')}}"
        return f"{self.mean:{spec}}{half_width}"


def mean_with_interval(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values with its Student t interval (n - 1 degrees of freedom).

    Raises:
        ValueError: There are no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("the mean of no values is undefined")
    if n == 1:
        return Estimate(float(values[0]), None, 1)
    quantile = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    return Estimate(fmean(values), quantile * stdev(values) / sqrt(n), n)


def error_reduction(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """Return the mean over pairs of 1 - e / b: the share of the baseline's error that is removed.

    Each pair is an error and the baseline's error on the same seed, in any one unit. 0.8 means that
    80 % of the baseline's errors are gone; a negative value, that errors were added.

    It is the mean of the ratios, not the ratio of the means. A seed fixes the draw, and the draw sets
    how hard the problem is for both; the ratio within a seed takes that out, and the ratios are
    independent values of one quantity, so that the t interval holds for them as they stand. The ratio
    of the means would weigh the seeds by how badly the baseline did and needs an approximate interval.

    None where it is undefined: without pairs, and where any baseline error is 0. Such a pair is not
    dropped, because leaving out pairs for their outcome would bias what remains.
    """
    if not pairs or any(baseline == 0 for _, baseline in pairs):
        return None
    return mean_with_interval([1 - error / baseline for error, baseline in pairs])
