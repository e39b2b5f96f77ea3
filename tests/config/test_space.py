"""What the keys of a sweep may be, and the points that come of them."""

import math
from collections import Counter
from typing import Any

import pytest

from dba_cli.config._space import Range, combinations, drawn, possible_values


def test_every_combination_once_and_the_last_key_fastest() -> None:
    points = combinations({"a": [1, 2], "b": ["x", "y", "z"]})
    assert [tuple(point.values()) for point in points] == [
        (1, "x"), (1, "y"), (1, "z"), (2, "x"), (2, "y"), (2, "z"),
    ]  # fmt: skip


def test_a_grid_has_an_end() -> None:
    with pytest.raises(ValueError, match="a grid of 10100 points is too large"):
        combinations({"a": list(range(101)), "b": list(range(100))})
    with pytest.raises(ValueError, match=r"a is a range.*--random"):
        combinations({"a": Range(0, 1)})


def test_random_points_differ_and_grow_from_the_same_beginning() -> None:
    space = {"lr": Range(0.001, 1.0, log=True), "n": Range(1, 30), "rule": ["a", "b"]}
    few, many = drawn(space, 5, seed=3), drawn(space, 40, seed=3)
    assert many[:5] == few
    assert len({tuple(point.items()) for point in many}) == 40
    assert drawn(space, 5, seed=4) != few


def test_another_key_moves_no_number_of_the_first() -> None:
    alone = [point["lr"] for point in drawn({"lr": Range(0.0, 1.0)}, 8, seed=0)]
    beside = [point["lr"] for point in drawn({"n": Range(1, 9), "lr": Range(0.0, 1.0)}, 8, seed=0)]
    assert alone == beside


def test_all_of_a_small_grid_can_be_drawn() -> None:
    points = drawn({"a": [1, 2, 3], "b": [1, 2]}, 6, seed=0)
    assert sorted(tuple(point.values()) for point in points) == [(a, b) for a in (1, 2, 3) for b in (1, 2)]
    with pytest.raises(ValueError, match="7 points of 6 cannot be drawn"):
        drawn({"a": [1, 2, 3], "b": [1, 2]}, 7, seed=0)


def test_a_logarithmic_range_is_uniform_in_its_logarithm() -> None:
    values = [point["x"] for point in drawn({"x": Range(0.001, 1.0, log=True)}, 600, seed=1)]
    assert all(0.001 <= value <= 1 for value in values)
    decades = Counter(math.floor(math.log10(value)) for value in values)
    assert all(150 < decades[decade] < 250 for decade in (-3, -2, -1))  # 200 each, standard deviation 12
    linear = [point["x"] for point in drawn({"x": Range(0.001, 1.0)}, 600, seed=1)]
    assert 250 < sum(value > 0.5 for value in linear) < 350


def test_whole_ends_give_whole_numbers_with_both_ends() -> None:
    values = {point["x"] for point in drawn({"x": Range(1, 5)}, 5, seed=0)}
    assert values == {1, 2, 3, 4, 5}
    assert all(isinstance(point["x"], int) for point in drawn({"x": Range(1, 1000, log=True)}, 50, seed=0))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, "a list of choices"),
        ([], "a list of choices"),
        ([1, 2, 1], "the choice 1 stands twice"),
        ({"low": 1}, "needs the numbers low and high"),
        ({"low": True, "high": 2}, "needs the numbers low and high"),
        ({"low": 1, "high": math.inf}, "needs the numbers low and high"),
        ({"low": 2, "high": 1}, "low 2 is not below high 1"),
        ({"low": 0, "high": 1, "log": True}, "log needs a low above 0"),
        ({"low": 0, "high": 1, "log": "yes"}, "log is true or false"),
        ({"low": 0, "high": 1e300}, "at most 1e15"),
        ({"low": 0, "hihg": 1}, "a list of choices"),
    ],
)
def test_what_is_neither_choices_nor_a_range(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        possible_values(value)


def test_too_narrow_a_range() -> None:
    with pytest.raises(ValueError, match="so narrow ranges"):
        drawn({"x": Range(1, 3)}, 4, seed=0)
