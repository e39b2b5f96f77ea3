"""Files that are none, names that are no names, and bytes that a terminal would obey."""

import json
import os
import sys
from pathlib import Path

import pytest

RUN = Path("results/tiny/dba/seed-0")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_config_that_is_no_file(dba, tmp_path):
    os.mkfifo("pipe.yaml")
    with Path("sparse.yaml").open("wb") as file:
        file.truncate(2**33)
    Path("folder.yaml").mkdir()
    for name, said in {
        "pipe.yaml": "no regular file",
        "/dev/zero": "no regular file",
        "sparse.yaml": "8,589,934,592 bytes",
        "folder.yaml": "Is a directory",
    }.items():
        for command in ("run", "sweep", "tune"):
            line = dba(command, name).refused()
            assert line.startswith(f"{name}: cannot be read (")
            assert said in line
    Path("extends.yaml").write_text("extends: /dev/zero\n")
    assert (
        dba("run", "extends.yaml").refused().startswith("extends.yaml:1: extends: /dev/zero: cannot be read")
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_what_is_written_takes_no_pipe_away(recorded):
    os.mkfifo("pipe.yaml")
    for words in (["compare", "--output"], ["report", "--output"]):
        line = recorded(*words, "pipe.yaml").refused()
        assert line == "pipe.yaml: cannot be written (it is no regular file)"
        assert Path("pipe.yaml").is_fifo()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_record_that_is_no_file(recorded):
    (RUN / "history.csv").unlink()
    os.mkfifo(RUN / "history.csv")
    assert "no regular file" in recorded("compare").refused()
    (RUN / "result.json").unlink()
    with (RUN / "result.json").open("wb") as file:
        file.truncate(2**33)
    assert "bytes" in recorded("run", "tiny.yaml").refused()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have UTF-8 names alone")
def test_a_path_that_is_not_utf_8(dba, config):
    name = os.fsdecode(b"\xff\xfe.yaml")
    assert dba("run", name).refused().startswith(r"\udcff\udcfe.yaml: no such file")
    config.rename(name)
    assert dba("run", name, "--seed", 0, "--optimizer", "sgd", "--quiet").code == 0
    assert dba("run", name, "--results", os.fsdecode(b"r\xff"), "--seed", 0, "--optimizer", "sgd").code == 0


def test_a_data_path_of_3000_characters(dba, config):
    line = dba(
        "run", config, "--set", f"data={{dataset: folder, path: /{'a' * 3000}, draw: {{fraction: 1}}}}"
    ).refused()
    assert "a" * 50 in line


@pytest.mark.parametrize("name", ["experiment.json", "Sweep.JSON", "tuned.yaml"])
def test_no_folder_stands_where_a_file_belongs(dba, config, name):
    for key in ("experiment.name", "optimizers.sgd.name"):
        line = dba("run", config, "--set", f"{key}={name}").refused()
        assert "could stand where dba writes a file" in line


def test_records_send_nothing_to_the_terminal(recorded):
    path = RUN / "result.json"
    record = json.loads(path.read_text())
    record["data"]["notice"] = "\x1b]0;owned\x07\x1b[2J red \x9b31m"
    del record["seal"]
    path.write_text(json.dumps(record))
    for command in (
        ["compare"],
        ["inspect", RUN],
        ["compare", "--format", "markdown"],
        ["compare", "--format", "csv"],
    ):
        answer = recorded(*command)
        assert answer.code == 0
        shown = answer.out + answer.err
        assert not {c for c in shown if not c.isprintable()} - {"\n"}
        assert "owned" in shown
