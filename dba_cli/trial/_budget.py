"""How many steps, learning rates and seeds a time allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt

_SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)  # of the steps that are wanted
_FEWEST_STEPS = 50
_AMOUNTS = ((10, 2, 5), (10, 2, 4), (10, 1, 4), (8, 1, 4), (6, 1, 3), (5, 1, 3))
_RUN_SECONDS = 0.15  # what a run takes beside its steps: building, writing
FIXED_SECONDS = 15.0
"""What a trial takes beside its runs: workers that start, the report."""
_LARGEST_RATE = 1000.0  # that a config may say
_BUSIER = 1.2  # steps of several processes at a time are slower than one process's


@dataclass(frozen=True)
class Amount:
    """How much is done: ``rates`` learning rates for each optimizer on ``tuning`` seeds, then ``seeds``."""

    steps: int
    rates: int
    tuning: int
    seeds: int
    seconds: float


def affordable(
    step: Mapping[str, float],
    evaluation: float,
    wanted: int,
    seconds: float,
    jobs: int,
    *,
    steps_fixed: bool = False,
    seeds: int | None = None,
) -> Amount:
    """Return the first amount that takes at most ``seconds``; the least one where none does.

    More steps come before more seeds, those before more learning rates: an untrained network answers nothing.

    Args:
        step: seconds of a step of each optimizer.
        evaluation: seconds of one evaluation.
        wanted: steps of a run.
        seconds: all that there is.
        jobs: runs at a time.
        steps_fixed: whether a run must have all of them.
        seeds: how many there must be, where that is fixed.
    """
    amount = None
    for share, (most, tuning, rates) in product((1.0,) if steps_fixed else _SHARES, _AMOUNTS):
        steps = max(round(share * wanted), min(wanted, _FEWEST_STEPS))
        number = most if seeds is None else seeds
        tuning = min(tuning, number)
        runs = rates * tuning + number
        work = sum(runs * (steps * each + _RUN_SECONDS) for each in step.values())
        work += len(step) * (2 * rates * tuning + 6 * number) * evaluation
        amount = Amount(steps, rates, tuning, number, FIXED_SECONDS + _BUSIER * work / jobs)
        if amount.seconds <= seconds:
            break
    assert amount is not None
    return amount


def first_rates(middle: float, number: int) -> list[float]:
    """Return the learning rates to begin with, half of ``number``: about three apart around ``middle``."""
    return _within([middle * factor for factor in (1, 1 / 3, 3)[: (number + 1) // 2]])


def further_rates(tried: Sequence[float], best: float, number: int) -> list[float]:
    """Return at most ``number`` learning rates more.

    Where the best of those tried is the smallest or the largest they go on beyond it, about three apart; else
    they lie between it and its neighbours.
    """
    tried = sorted(tried)
    at = tried.index(best)
    beyond = [3.0, 10.0, 30.0][:number]
    if len(tried) == 1 or at == 0:
        return _within([best / factor for factor in beyond])
    if at == len(tried) - 1:
        return _within([best * factor for factor in beyond])
    return _within([sqrt(best * tried[at + step]) for step in (-1, 1)[:number]])


def _within(rates: Sequence[float]) -> list[float]:
    """Return learning rates rounded to one significant digit, ascending, as far as a config may say them."""
    return sorted({min(float(f"{rate:.0e}"), _LARGEST_RATE) for rate in rates})
