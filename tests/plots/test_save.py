import matplotlib as mpl
import pytest

from dba_cli.errors import UserError
from dba_cli.plots import learning_curves, save

from .samples import TITLE, line


def draw():
    return learning_curves([line("sgd", [0.8, 0.9]), line("dba", [0.85, 0.9])], "steps", TITLE)


def test_the_same_input_is_the_same_bytes_whatever_the_users_settings(tmp_path):
    first = save(draw(), tmp_path / "a.b")
    assert [path.name for path in first] == ["a.b.png", "a.b.svg"]
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        before = dict(mpl.rcParams)
        second = save(draw(), tmp_path / "c")
        assert dict(mpl.rcParams) == before
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"<dc:date>" not in first[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.png", "a.b.svg", "c.png", "c.svg"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save(draw(), tmp_path / "file" / "a")
