"""An evaluation in history.csv: the same values come back, and one line says whatever is wrong with them."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dba_cli.errors import UserError
from dba_cli.records import Evaluation, RunFolder
from dba_cli.records._evaluation import history_text, read_history

FIRST = Evaluation(
    step=0,
    epoch=0.0,
    samples_processed=0,
    train_loss=None,
    test_loss=2.3,
    test_accuracy=0.1,
    test_errors=9000,
    seconds=1e-5,
)
LAST = Evaluation(
    step=7,
    epoch=1 / 3,
    samples_processed=700,
    train_loss=0.1,
    test_loss=math.inf,
    test_accuracy=2 / 3,
    test_errors=3333,
    fractions={"a.b": 0.25, "layer 2, out": 1.0},
    drop_recall={"a.b": 0.5},
    seconds=0.1 + 0.2,
)
HEADER = "step,epoch,samples_processed,train_loss,test_loss,test_accuracy,seconds\n"


def write(folder: Path, text: str | bytes) -> RunFolder:
    (folder / "history.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return RunFolder(folder)


def test_the_columns() -> None:
    """What nobody measured has no column."""
    header, first, last = history_text([FIRST, LAST]).splitlines()
    assert header == (
        "step,epoch,samples_processed,train_loss,test_loss,test_accuracy,test_errors,seconds,"
        'fraction.a.b,"fraction.layer 2, out",drop_recall.a.b'
    )
    assert first == "0,0.0,0,,2.3,0.1,9000,1e-05,,,"
    assert last == "7,0.3333333333333333,700,0.1,inf,0.6666666666666666,3333,0.30000000000000004,0.25,1.0,0.5"


@settings(max_examples=50, derandomize=True, deadline=None)
@given(loss=st.floats(allow_nan=False), share=st.floats(0, 1), step=st.integers(1, 2**60))
def test_figures_read_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, loss: float, share: float, step: int
) -> None:
    figures = {"train_loss": loss, "test_loss": -loss, "test_accuracy": share, "fractions": {"out": share}}
    wrote = [FIRST, LAST.model_copy(update={"step": step, **figures})]
    run = RunFolder(tmp_path_factory.getbasetemp())
    run.write_history(wrote)
    assert repr(run.history()) == repr(wrote)


def test_columns_may_lack_the_errors_and_have_what_later_versions_add(tmp_path: Path) -> None:
    text = HEADER.replace("\n", ",weight_norm\n") + "0,0.0,0,,2.3,0.1,0.00001,3.0\n"
    assert write(tmp_path, text).history() == [FIRST.model_copy(update={"test_errors": None})]


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
        (b"\xff\xfe\0", "not a CSV table"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, text: str | bytes, part: str) -> None:
    with pytest.raises(UserError) as caught:
        write(tmp_path, text).history()
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'history.csv'}: damaged record: ")
    assert part in line
    assert line.isprintable()


def test_truncated_at_every_byte(tmp_path: Path) -> None:
    text = history_text([FIRST, LAST])
    path = tmp_path / "history.csv"
    path.write_text(text)
    assert [row.step for row in read_history(path, 7)] == [0, 7]
    for size in range(len(text) - 1, -1, -1):
        os.truncate(path, size)
        with pytest.raises(UserError, match="damaged record") as caught:
            read_history(path, 7)
        assert "\n" not in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        RunFolder(tmp_path).history()
