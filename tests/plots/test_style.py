from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dba_cli.errors import UserError
from dba_cli.plots import Layout, encode, layout, learning_curves, save
from dba_cli.plots._style import compact, legend_below, look, look_of, new_figure, styled, wrapped

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


def test_an_optimizer_has_one_look_whatever_stands_beside_it() -> None:
    alone = learning_curves([line("dba_adam", [0.8])], "steps").axes[0].lines[0]
    among = learning_curves([line(n, [0.8]) for n in ("sgd", "adam", "dba_adam")], "steps").axes[0].lines[2]
    assert (alone.get_color(), alone.get_marker()) == (among.get_color(), among.get_marker())
    assert [look_of(name) for name in ("sgd", "adam", "dba", "random")] == [look(i) for i in range(4)]


@pytest.mark.parametrize(
    "names",
    [
        ("sgd", "adam", "dba", "random", "sgd_25", "dba_snr"),
        ("sgd", "adam", "projection", "alignment"),
        ("sgd", "adam", "random_subsets", "sgd_on_all"),
    ],
)
def test_the_projects_own_figures_have_a_colour_for_each_optimizer(names: tuple[str, ...]) -> None:
    assert len({look_of(name)["color"] for name in names}) == len(names)


# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
DEFICIENCIES = {
    "protanopia": "0.152286 1.052583 -0.204868  0.114503 0.786281 0.099216  -0.003882 -0.048116 1.051998",
    "deuteranopia": "0.367322 0.860646 -0.227968  0.280085 0.672501 0.047413  -0.011820 0.042940 0.968881",
    "tritanopia": "1.255528 -0.076749 -0.178779  -0.078411 0.930809 0.147602  0.004733 0.691367 0.303900",
}


def seen(colour: str, deficiency: str) -> np.ndarray:
    """The colour in CIELAB (D65) as somebody with the deficiency sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(DEFICIENCIES[deficiency].split(), float).reshape(3, 3) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_first_four_are_told_apart_by_colour_blind_readers(deficiency: str) -> None:
    colours = [seen(look(i)["color"], deficiency) for i in range(4)]
    # A difference of 2.3 is just noticeable side by side.
    assert min(np.linalg.norm(one - other) for one, other in combinations(colours, 2)) > 20


def test_a_paper_may_want_another_layout() -> None:
    usual = learning_curves([line("sgd", [0.8, 0.9])], "steps", TITLE)
    with layout(Layout(width=3.3, font_size=6, titles=False)):
        figure = learning_curves([line("sgd", [0.8, 0.9])], "steps", TITLE)
    assert (figure.get_figwidth(), usual.get_figwidth()) == (3.3, 6.9)
    assert figure._suptitle is None
    assert usual._suptitle is not None
    assert figure.axes[0].xaxis.label.get_fontsize() == 6
    again = learning_curves([line("sgd", [0.8, 0.9])], "steps", TITLE)
    assert again.get_figwidth() == 6.9


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
    kinds = ("png", "svg", "pdf")
    first = save(draw(), tmp_path / "a.b", kinds)
    assert [path.name for path in first] == ["a.b.png", "a.b.svg", "a.b.pdf"]
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        before = dict(mpl.rcParams)
        figure = draw()
        assert [path.read_bytes() for path in first] == [encode(figure, name) for name in kinds]
        assert dict(mpl.rcParams) == before
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in first[1].read_bytes()
    assert first[2].read_bytes().startswith(b"%PDF")
    save(draw(), tmp_path / "c", ["svg"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.pdf", "a.b.png", "a.b.svg", "c.svg"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save(draw(), tmp_path / "file" / "a", ["svg"])


def test_the_style_is_put_back_even_after_an_error() -> None:
    before = dict(mpl.rcParams)

    @styled()
    def failing() -> None:
        assert mpl.rcParams["svg.hashsalt"] == "dba"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert dict(mpl.rcParams) == before
