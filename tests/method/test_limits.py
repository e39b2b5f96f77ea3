from itertools import pairwise

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
        ({"sizes": 1}, "sizes must be at least 2"),
        ({"min_fraction": 0.5, "max_fraction": 0.4}, "above max_fraction"),
    ],
)
def test_impossible_limits_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SizeLimits(**settings)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.data())
def test_bounds_are_shared_in_proportion(counts: list[int], data: st.DataObject) -> None:
    parts, total = len(counts), sum(counts)
    limits = data.draw(
        st.one_of(
            st.builds(lambda size: SizeLimits(size=size), st.integers(parts, 2 * total)),
            st.builds(lambda low, high: SizeLimits(low * high, high), st.floats(0, 1), st.floats(0.01, 1)),
        )
    )
    smallest, largest = limits.bounds(total)
    if largest < parts:
        return
    bounds = [part.bounds(count) for part, count in zip(limits.shared(counts), counts, strict=True)]
    assert all(1 <= low <= high <= count for (low, high), count in zip(bounds, counts, strict=True))
    assert sum(low for low, _ in bounds) == max(smallest, parts)
    assert sum(high for _, high in bounds) == largest
    # What makes it proportional: no seat but a first one would lie nearer to the shares in another part.
    for sizes in zip(*bounds, strict=True):
        weakest = min(
            (n / (2 * size - 1) for n, size in zip(counts, sizes, strict=True) if size > 1), default=61
        )
        assert weakest >= max(n / (2 * size + 1) for n, size in zip(counts, sizes, strict=True)) - 1e-9


@given(st.integers(1, 300), st.one_of(st.none(), st.integers(2, 40)), st.floats(0, 1))
def test_sizes_tried_are_spread_evenly(n: int, sizes: int | None, low: float) -> None:
    limits = SizeLimits(low, sizes=sizes)
    smallest, largest = limits.bounds(n)
    tried = list(limits.tried(n))
    assert tried == sorted(set(tried))
    assert (tried[0], tried[-1]) == (smallest, largest)
    assert len(tried) == min(sizes or n, largest - smallest + 1)
    gaps = [after - before for before, after in pairwise(tried)]
    assert not gaps or max(gaps) - min(gaps) <= 1
