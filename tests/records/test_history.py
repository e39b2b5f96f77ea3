"""history.csv read back: the same values, and one line for whatever is wrong with it."""

import math
import os
from pathlib import Path

import pytest

from dba_cli.errors import UserError
from dba_cli.records import RunFolder
from dba_cli.records._history import read_history
from dba_cli.records._layout import history_text

ROWS: list[dict[str, object]] = [
    {
        "step": 0,
        "epoch": 0.0,
        "samples_processed": 0,
        "train_loss": None,
        "test_loss": 2.3,
        "test_accuracy": 0.1,
        "seconds": 1e-5,
    },
    {
        "step": 7,
        "epoch": 1 / 3,
        "samples_processed": 700,
        "train_loss": 0.1,
        "test_loss": math.inf,
        "test_accuracy": 2 / 3,
        "seconds": 0.1 + 0.2,
        "fraction.a.b": 0.25,
        "fraction.out": 1.0,
    },
]


def write(folder: Path, text: str) -> RunFolder:
    (folder / "history.csv").write_text(text)
    return RunFolder(folder)


def test_values_come_back_to_the_bit(tmp_path: Path) -> None:
    first, last = write(tmp_path, history_text(ROWS)).history()
    assert (first.step, first.train_loss, first.fractions) == (0, None, {})
    assert last.fractions == {"a.b": 0.25, "out": 1.0}
    for key in ("step", "epoch", "samples_processed", "train_loss", "test_loss", "test_accuracy", "seconds"):
        assert getattr(last, key) == ROWS[1][key]


def test_columns_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    (only,) = write(tmp_path, history_text([{**ROWS[0], "weight_norm": 3.0}])).history()
    assert only.test_accuracy == 0.1


HEADER = "step,epoch,samples_processed,train_loss,test_loss,test_accuracy,seconds\n"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no rows"),
        (HEADER, "no rows"),
        (HEADER + "0,0,0,,2.3,1.5,0\n", "row 1: test_accuracy"),
        (HEADER + "0,0,0,,2.3,,0\n", "row 1: test_accuracy"),
        (HEADER + "0,0,0,,2.3,nan,0\n", "row 1: test_accuracy"),
        (HEADER + "0,0,0,,2.3,0.1\n", "row 1: not as many cells"),
        (HEADER + "0,0,0,,2.3,0.1,0,5\n", "row 1: not as many cells"),
        (HEADER + "3,0,0,,2.3,0.1,0\n3,0,0,,2.3,0.1,0\n", "row 2: step 3 after step 3"),
        (HEADER.replace("step", "stop") + "0,0,0,,2.3,0.1,0\n", "row 1: step: Field required"),
        ('"', "not a CSV table"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        write(tmp_path, text).history()
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'history.csv'}: damaged record: ")
    assert part in line
    assert line.isprintable()


def test_truncated_at_every_byte(tmp_path: Path) -> None:
    text = history_text(ROWS)
    path = tmp_path / "history.csv"
    path.write_text(text)
    assert [row.step for row in read_history(path, 7)] == [0, 7]
    for size in range(len(text) - 1, -1, -1):
        os.truncate(path, size)
        with pytest.raises(UserError, match="damaged record") as caught:
            read_history(path, 7)
        assert "\n" not in str(caught.value)


def test_no_text_at_all(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UserError, match="not a CSV table"):
        RunFolder(tmp_path).history()


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        RunFolder(tmp_path).history()
