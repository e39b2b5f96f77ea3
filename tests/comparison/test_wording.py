import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dba_cli.comparison._wording import data_text, draw_text, seeds_text


@pytest.mark.parametrize(
    ("seeds", "text"),
    [([3], "seed 3"), ([0, 1, 2], "seeds 0-2"), ([7, 0, 2, 1], "seeds 0-2, 7"), ([1, 3], "seeds 1, 3")],
)
def test_seeds(seeds, text):
    assert seeds_text(seeds) == text


@given(st.sets(st.integers(0, 60), min_size=1))
def test_seeds_read_back(seeds):
    ranges = re.findall(r"(\d+)(?:-(\d+))?", seeds_text(seeds))
    assert {seed for low, high in ranges for seed in range(int(low), int(high or low) + 1)} == seeds


@pytest.mark.parametrize(
    ("dataset", "source", "text"),
    [
        ("mnist", "official", "official MNIST"),
        ("mnist", "embedded", "embedded MNIST sample"),
        ("fashion_mnist", "official", "official Fashion-MNIST"),
        ("other", "official", "official other"),
    ],
)
def test_data(dataset, source, text):
    assert data_text(dataset, source) == text


@pytest.mark.parametrize(
    ("draw", "text"),
    [
        ([("fraction", 0.01)], "1 %"),
        ([("fraction", 0.07)], "7 %"),
        ([("fraction", 1.0)], "100 %"),
        ([("fraction", 0.0125)], "1.25 %"),
        ([("per_class", 10)], "10 per class"),
        ([("centres", 5), ("per_class", 2)], "centres 5, 2 per class"),
    ],
)
def test_draw(draw, text):
    assert draw_text(draw) == text
