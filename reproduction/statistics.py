"""What the report says of several seeds: means, paired differences, and the correction for many tries."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import pandas as pd
from scipy.stats import ttest_1samp

from dba_cli.comparison import Estimate, mean_with_interval

LEVEL = 0.05
"""A corrected p below this is a difference."""
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Difference:
    """Accuracy of one less that of another on the same seeds, per cent, with the p of no difference."""

    estimate: Estimate
    p: float


def accuracies(runs: pd.DataFrame) -> pd.Series:
    """Return the final accuracies of the finished runs, per cent, by seed."""
    done = runs[runs.status == "finished"].set_index("seed")
    return 100 * (1 - done.errors.astype(float) / done.evaluated)


def mean_accuracy(runs: pd.DataFrame) -> Estimate | None:
    """Return the mean final accuracy with its interval, per cent; None where no run finished."""
    values = accuracies(runs).dropna()
    return mean_with_interval(values.tolist()) if len(values) else None


def best(groups: Mapping[_Key, pd.DataFrame]) -> tuple[_Key, Estimate]:
    """Return the key of the runs with the best mean final accuracy, and that mean, per cent."""
    means = {key: mean for key, runs in groups.items() if (mean := mean_accuracy(runs)) is not None}
    return max(means.items(), key=lambda each: each[1].mean)


def difference(runs: pd.DataFrame, baseline: pd.DataFrame) -> Difference | None:
    """Return the mean paired difference; None with fewer than two pairs."""
    pairs = (accuracies(runs) - accuracies(baseline)).dropna()
    if len(pairs) < 2:
        return None
    spread = pairs.std() > 0
    p = float(ttest_1samp(pairs, 0).pvalue) if spread else float(pairs.mean() == 0)
    return Difference(mean_with_interval(pairs.tolist()), p)


def holm(ps: list[float]) -> list[float]:
    """Return Holm's adjusted p values: each is the chance of any such finding among so many tries."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return adjusted


def corrected(differences: Mapping[_Key, Difference]) -> dict[_Key, tuple[Difference, float]]:
    """Return each difference with its p by Holm among all of them."""
    adjusted = holm([each.p for each in differences.values()])
    return {key: (each, p) for (key, each), p in zip(differences.items(), adjusted, strict=True)}


def accuracy_at(histories: pd.DataFrame, step: int) -> Estimate | None:
    """Return the mean accuracy at a step, per cent; None where none was measured there."""
    here = histories[histories.step == step]
    return mean_with_interval((100 * here.accuracy).tolist()) if len(here) else None


def first_reached(histories: pd.DataFrame, target: float, column: str) -> pd.Series:
    """Return where each seed first reaches ``target``, infinite where it never does."""
    reached = histories[column].astype(float).where(histories.accuracy >= target, inf)
    return reached.groupby(histories.seed).min()


def reach(histories: pd.DataFrame, target: float, column: str) -> float:
    """Return the median over seeds of where ``target`` is first reached, infinite where it never is."""
    first = first_reached(histories, target, column)
    return float(first.median()) if len(first) else inf


def ratio(own: pd.DataFrame, other: pd.DataFrame, target: float, column: str) -> Estimate | None:
    """Return the mean over seeds of what ``own`` takes to ``target`` over what ``other`` takes.

    Of seeds where both get there; None where there is none.
    """
    ratios = first_reached(own, target, column) / first_reached(other, target, column)
    finite = [each for each in ratios.tolist() if 0 < each < inf]
    return mean_with_interval(finite) if finite else None


def share_of_best(runs: pd.DataFrame, share: float, name: str = "sgd") -> float:
    """Return ``share`` of the best mean accuracy that an optimizer had at any point, as a fraction.

    It stands for a target that nobody declared before the runs.
    """
    groups = {str(point): here for point, here in runs[runs.optimizer == name].groupby("point")}
    return round(share * best(groups)[1].mean / 100, 3)
