from math import inf, isfinite, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dba_cli.comparison import Estimate, error_reduction, mean_with_interval


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
    ("estimate", "spec", "text"),
    [
        (100 * Estimate(0.8787, 0.0042, 5), ".2f", "87.87 ± 0.42"),
        (100 * Estimate(0.9, None, 1), ".1f", "90.0"),
        (Estimate(1.5, 0.25, 2), "+.1f", "+1.5 ± 0.2"),
        (Estimate(-1e-9, 0.0, 2), "z.1f", "0.0 ± 0.0"),
    ],
)
def test_an_estimate_in_another_unit_and_as_text(estimate, spec, text):
    assert f"{estimate:{spec}}" == text
