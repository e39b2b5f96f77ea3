from itertools import pairwise

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dba_cli.plots import save
from dba_cli.plots._style import compact, encode, legend_below, look, new_figure, styled, wrapped

from .samples import LONG


def test_looks_differ_in_colour_in_dashes_and_in_markers() -> None:
    looks = [look(i) for i in range(385)]
    assert len({str(each) for each in looks}) == 385
    first = looks[:5]
    for part in ("color", "linestyle", "marker"):
        assert len({str(each[part]) for each in first}) == 5


def test_neighbouring_colours_differ_in_grey() -> None:
    def grey(index: int) -> float:
        red, green, blue = to_rgb(look(index)["color"])
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    greys = [grey(i) for i in range(4)]
    assert min(abs(one - next_) for one, next_ in pairwise(greys)) > 0.2
    assert max(greys) < 0.75  # white paper


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (999, "999"), (1000, "1k"), (12_500, "12.5k"), (3e6, "3M"), (-2000, "-2k")],
)
def test_short_numbers(value: float, text: str) -> None:
    assert compact(value) == text


@pytest.mark.parametrize("name", [LONG, "x" * 80, "a b", "", "two: words, more/and-more_of.it 0.25"])
def test_wrapping_keeps_every_letter_and_the_width(name: str) -> None:
    lines = wrapped(name, 20).split("\n")
    assert all(len(line) <= 20 for line in lines)
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")


def test_a_number_is_not_broken_at_its_point() -> None:
    assert "0.25" in wrapped("min_fraction_0.25_and_more", 16)


def test_a_long_title_makes_the_figure_higher_not_wider() -> None:
    short, long = new_figure(2, "a title"), new_figure(2, "a title of many words " * 12)
    assert short.get_figwidth() == long.get_figwidth()
    assert long.get_figheight() > short.get_figheight()


def test_a_legend_adds_its_own_height() -> None:
    with styled():
        heights = []
        for count in (1, 12):
            figure = new_figure(2)
            (line,) = figure.subplots().plot([0, 1])
            legend = legend_below(figure, [line] * count, [f"{LONG}_{i}" for i in range(count)])
            heights.append(figure.get_figheight())
            assert len(legend.get_texts()) == count
    assert 2 < heights[0] < heights[1]


def test_the_style_is_put_back_even_after_an_error() -> None:
    before = dict(mpl.rcParams)

    def failing() -> None:
        with styled():
            assert mpl.rcParams["svg.hashsalt"] == "dba"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert dict(mpl.rcParams) == before


def test_what_is_saved_is_what_is_encoded(tmp_path) -> None:
    def drawn() -> Figure:
        with styled():
            figure = new_figure(1)
            figure.subplots().plot([0, 1])
        return figure

    (path,) = save(drawn(), tmp_path / "a", ["svg"])
    assert path.read_bytes() == encode(drawn(), "svg")
    assert encode(drawn(), "png").startswith(b"\x89PNG")
