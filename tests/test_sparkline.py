import pytest

from dba_cli.sparkline import ASCII, BLOCKS, sparkline


def test_the_scale_from_end_to_end() -> None:
    assert sparkline([i / 8 for i in range(8)], 8) == BLOCKS
    assert sparkline([i / 8 for i in range(8)], 8, ascii_only=True) == ASCII


def test_what_lies_outside_the_scale_is_drawn_at_its_end() -> None:
    assert sparkline([-5, 0.2, 5], 9, low=0.1, high=0.3) == BLOCKS[0] + BLOCKS[4] + BLOCKS[-1]


@pytest.mark.parametrize("width", [1, 3, 7, 10])
def test_more_values_than_signs_are_averaged(width: int) -> None:
    line = sparkline([0.0, 1.0] * 35, width)
    assert len(line) == width
    assert set(line) <= set("▄▅")  # halves, an uneven part apart


def test_no_values_and_no_scale() -> None:
    assert sparkline([], 5) == ""
    assert sparkline([1.0, 1.0], 5, low=1, high=1) == BLOCKS[0] * 2
