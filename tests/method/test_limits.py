import pytest
from hypothesis import given
from hypothesis import strategies as st

from dba_cli.method._limits import SizeLimits


@pytest.mark.parametrize(
    ("limits", "n", "bounds"),
    [
        (SizeLimits(), 7, (1, 7)),
        (SizeLimits(0.25), 10, (3, 10)),
        (SizeLimits(0.1), 30, (3, 30)),
        (SizeLimits(0.1, 0.3), 10, (1, 3)),
        (SizeLimits(0.5, 0.5), 5, (3, 3)),
        (SizeLimits(0.0, 0.01), 5, (1, 1)),
        (SizeLimits(size=4), 10, (4, 4)),
        (SizeLimits(size=4), 3, (3, 3)),
    ],
)
def test_bounds(limits: SizeLimits, n: int, bounds: tuple[int, int]) -> None:
    assert limits.bounds(n) == bounds


@given(st.floats(0, 1), st.floats(0.001, 1), st.integers(1, 500))
def test_bounds_are_ordered_and_within_the_batch(low: float, high: float, n: int) -> None:
    smallest, largest = SizeLimits(min(low, high), high).bounds(n)
    assert 1 <= smallest <= largest <= n


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_fraction": -0.1}, "min_fraction"),
        ({"max_fraction": 0.0}, "max_fraction"),
        ({"size": 0}, "size must be at least 1"),
        ({"min_fraction": 0.5, "max_fraction": 0.4}, "above max_fraction"),
    ],
)
def test_impossible_limits_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SizeLimits(**settings)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 400))
def test_a_fixed_size_is_shared_in_proportion(counts: list[int], size: int) -> None:
    sizes = [limits.size for limits in SizeLimits(size=size).shared(counts)]
    shares = [min(size, sum(counts)) * count / sum(counts) for count in counts]
    assert all(abs(given - share) <= 1 for given, share in zip(sizes, shares, strict=True))
    if all(share >= 1 for share in shares):
        assert sum(sizes) == min(size, sum(counts))
