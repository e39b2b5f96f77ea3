"""The report's statistics, against scipy's own tests and numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from reproduction.statistics import difference, holm, mean_accuracy, ratio, reach


def runs(errors: list[float | None], evaluated: int = 1000) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "seed": range(len(errors)),
            "status": ["diverged" if e is None else "finished" for e in errors],
            "errors": errors,
            "evaluated": evaluated,
        }
    )


def test_means_are_of_finished_runs_in_per_cent() -> None:
    mean = mean_accuracy(runs([100, 200, None]))
    assert mean is not None
    assert (mean.mean, mean.n) == (85.0, 2)
    assert mean_accuracy(runs([None])) is None


def test_differences_are_paired_by_seed() -> None:
    ours, theirs = [100.0, 130, 90, 120], [110.0, 150, 95, 160]
    found = difference(runs(ours), runs(theirs))
    assert found is not None
    assert found.estimate.mean == pytest.approx((10 + 20 + 5 + 40) / 4 / 10)
    assert found.p == pytest.approx(ttest_rel(ours, theirs).pvalue)


def test_a_seed_that_either_lacks_is_in_no_pair() -> None:
    found = difference(runs([100, 100, 130]), runs([110, None, 150]))
    assert found is not None
    assert (found.estimate.n, found.estimate.mean) == (2, pytest.approx(1.5))
    assert difference(runs([100, None]), runs([110, 120])) is None


def test_holm_by_hand() -> None:
    # Sorted 0.01 0.02 0.04 0.5: 4 x 0.01, 3 x 0.02, 2 x 0.04, 0.5; never below the one before.
    assert holm([0.5, 0.01, 0.04, 0.02]) == pytest.approx([0.5, 0.04, 0.08, 0.06])
    assert holm([0.03, 0.031]) == pytest.approx([0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_time_to_target_is_a_median_in_which_never_is_infinite() -> None:
    rows = [(seed, step, step / 100 if seed < late else 0.1) for seed, late in ((0, 9), (1, 9), (2, 0))
            for step in (10, 50, 90)]  # fmt: skip
    histories = pd.DataFrame(rows, columns=["seed", "step", "accuracy"])
    assert reach(histories, 0.4, "step") == 50
    assert reach(histories[histories.seed > 0], 0.4, "step") == np.inf


def test_ratios_of_times_are_paired_by_seed_where_both_get_there() -> None:
    def curves(first: list[int | None]) -> pd.DataFrame:
        rows = [(seed, step, 0.9 if at is not None and step >= at else 0.1)
                for seed, at in enumerate(first) for step in (10, 20, 40)]  # fmt: skip
        return pd.DataFrame(rows, columns=["seed", "step", "accuracy"])

    found = ratio(curves([10, 40, 20, None]), curves([20, 20, None, 10]), 0.9, "step")
    assert found is not None
    assert (found.mean, found.n) == (pytest.approx((10 / 20 + 40 / 20) / 2), 2)
    assert ratio(curves([None]), curves([10]), 0.9, "step") is None
