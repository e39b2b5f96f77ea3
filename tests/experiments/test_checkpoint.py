"""Checkpoints: what is read back, and that nothing of a file is ever run."""

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from dba_cli.errors import UserError
from dba_cli.experiments._resume import read_checkpoint, write_checkpoint

STATE = {
    "tensor": torch.arange(5.0),
    "generator": torch.Generator().manual_seed(3).get_state(),
    "list": [1, 2.5, None, {"name": "é"}],
}


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    return line


def same(state: Any, other: Any) -> bool:
    return state.keys() == other.keys() and all(
        torch.equal(state[key], other[key])
        if isinstance(other[key], torch.Tensor)
        else state[key] == other[key]
        for key in other
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "state.pt", STATE)
    return tmp_path / "state.pt"


def test_a_state_comes_back(path: Path) -> None:
    state = read_checkpoint(path)
    assert state is not None
    assert same(state, STATE)


def test_none_is_there(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "state.pt") is None
    (tmp_path / "file").write_text("")
    assert read_checkpoint(tmp_path / "file" / "state.pt") is None


def test_truncated_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    write_checkpoint(path, {"tensor": torch.arange(5.0)})
    for size in range(path.stat().st_size - 1, -1, -1):
        os.truncate(path, size)
        assert "no usable checkpoint" in refused(path)


def test_any_byte_changed_is_noticed_or_does_not_matter(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 9):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        state = None
        with contextlib.suppress(UserError):
            state = read_checkpoint(path)
        assert state is None or same(state, STATE)


class Attack:
    """Makes a file where it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._target),)


@pytest.mark.parametrize("way", ["state", "beside", "legacy", "pickle"])
def test_pickled_code_is_refused_and_not_run(tmp_path: Path, way: str) -> None:
    path, target = tmp_path / "state.pt", tmp_path / "attacked"
    attack = Attack(target)
    content: Any = (
        {"format": 1, "state": {"x": attack}} if way != "beside" else {"format": 1, "state": {}, 0: attack}
    )
    if way == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=way != "legacy")
    line = refused(path)
    assert ("it holds pickled code" in line) == (way in ("state", "beside"))
    assert not target.exists()
    # The attack is one: whoever unpickles it all has it run.
    torch.load(path, weights_only=False) if way != "pickle" else pickle.loads(path.read_bytes())
    assert target.exists()


@pytest.mark.parametrize("content", [[], {}, {"format": 0, "state": {}}, {"format": 1}, {"state": {}}, None])
def test_files_of_something_else(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "state.pt")
    refused(tmp_path / "state.pt")


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "state.pt").mkdir()
    assert "cannot be read" in refused(tmp_path / "state.pt")
