from math import inf, isclose, isfinite, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dba_cli.comparison._statistics import (
    Estimate,
    error_reduction,
    implied_accuracy,
    mean_with_interval,
)

fractions = st.floats(0, 1)


def test_interval_by_hand():
    estimate = mean_with_interval([0.87, 0.88, 0.89])
    # t(0.975, 2 degrees of freedom) = 4.3027 from the printed tables; standard deviation 0.01.
    assert estimate.mean == pytest.approx(0.88)
    assert estimate.half_width == pytest.approx(4.3027 * 0.01 / sqrt(3), rel=1e-4)
    assert estimate.n == 3


def test_one_value_has_no_interval():
    assert mean_with_interval([0.5]) == Estimate(0.5, None, 1)


def test_equal_values_have_an_interval_of_nothing():
    assert mean_with_interval([0.1] * 5) == Estimate(0.1, 0.0, 5)


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="no values"):
        mean_with_interval([])


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=20, unique=True))
def test_interval_is_scipys(errors):
    values = [count / 10_000 for count in errors]
    estimate = mean_with_interval(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert estimate.mean == pytest.approx((low + high) / 2)
    assert estimate.half_width == pytest.approx((high - low) / 2)


def test_reduction_is_the_mean_of_the_ratios():
    reduction = error_reduction([(50, 100), (9, 10)])
    # The ratio of the means would be 1 - 59 / 110 = 0.46.
    assert reduction is not None
    assert reduction.mean == pytest.approx((0.5 + 0.1) / 2)
    assert reduction.n == 2


def test_reduction_below_zero_where_errors_were_added():
    assert error_reduction([(30, 20)]) == Estimate(-0.5, None, 1)


@pytest.mark.parametrize("pairs", [[], [(1, 0)], [(0, 0)], [(1, 2), (1, 0)]])
def test_reduction_is_undefined_without_a_baseline_error_in_every_pair(pairs):
    assert error_reduction(pairs) is None


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000))))
def test_reduction_is_finite_and_at_most_one(pairs):
    reduction = error_reduction(pairs)
    if reduction is not None:
        assert isfinite(reduction.mean)
        assert reduction.mean <= 1
        assert reduction.half_width is None or 0 <= reduction.half_width < inf


@pytest.mark.parametrize(
    ("accuracy", "reduction", "implied"),
    [(0.9779, 0.8178, 0.8787), (0.9744, 0.8807, 0.7854), (0.9, 0.0, 0.9)],
)
def test_implied_accuracy_of_the_paper(accuracy, reduction, implied):
    assert implied_accuracy(accuracy, reduction) == pytest.approx(implied, abs=5e-5)


@pytest.mark.parametrize(("accuracy", "reduction"), [(1.0, 1.0), (0.5, 1.0), (0.1, 0.9)])
def test_no_baseline_implied(accuracy, reduction):
    assert implied_accuracy(accuracy, reduction) is None


@given(fractions, fractions.filter(lambda share: share < 0.999))
def test_implied_accuracy_gives_the_reduction_back(baseline, reduction):
    accuracy = 1 - (1 - baseline) * (1 - reduction)
    implied = implied_accuracy(accuracy, reduction)
    assert implied is None or isclose(implied, baseline, abs_tol=1e-9)
    # Only rounding at the very ends may lead out of the range.
    assert implied is not None or min(baseline, 1 - baseline) < 1e-9
