from itertools import pairwise

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb

from dba_cli.errors import UserError
from dba_cli.plots import encode, learning_curves, save
from dba_cli.plots._style import compact, legend_below, look, new_figure, styled, wrapped

from .samples import LONG, TITLE, line


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
    assert "0.25" in wrapped("min_fraction_0.25_and_more", 16)  # not broken at its point


def test_a_long_title_makes_the_figure_higher_not_wider() -> None:
    short, long = new_figure(2, "a title"), new_figure(2, "a title of many words " * 12)
    assert short.get_figwidth() == long.get_figwidth()
    assert long.get_figheight() > short.get_figheight()


def test_a_legend_adds_its_own_height() -> None:
    with styled():
        heights = []
        for count in (1, 12):
            figure = new_figure(2)
            handles = figure.subplots().plot([0, 1]) * count
            legend = legend_below(figure, handles, [f"{LONG}_{i}" for i in range(count)])
            heights.append(figure.get_figheight())
            assert len(legend.get_texts()) == count
    assert 2 < heights[0] < heights[1]


def draw():
    return learning_curves([line("sgd", [0.8, 0.9]), line("dba", [0.85, 0.9])], "steps", TITLE)


def test_the_same_input_is_the_same_bytes_whatever_the_users_settings(tmp_path):
    first = save(draw(), tmp_path / "a.b")
    assert [path.name for path in first] == ["a.b.png", "a.b.svg"]
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        before = dict(mpl.rcParams)
        figure = draw()
        assert [path.read_bytes() for path in first] == [encode(figure, name) for name in ("png", "svg")]
        assert dict(mpl.rcParams) == before
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in first[1].read_bytes()
    save(draw(), tmp_path / "c", ["svg"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.png", "a.b.svg", "c.svg"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save(draw(), tmp_path / "file" / "a")


def test_the_style_is_put_back_even_after_an_error() -> None:
    before = dict(mpl.rcParams)

    @styled()
    def failing() -> None:
        assert mpl.rcParams["svg.hashsalt"] == "dba"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert dict(mpl.rcParams) == before
