"""Folders of runs and experiments: written, read back, damaged, and surrounded by foreign files."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dba_cli.config import config_hash, load, to_yaml
from dba_cli.errors import UserError
from dba_cli.records import ExperimentFolder, ExperimentRecord, RunFolder, RunRecord, experiments_in

Data = dict[str, Any]
CONFIG = Path(__file__).parents[2] / "configs/smoke.yaml"


def finished(folder: ExperimentFolder) -> list[RunRecord]:
    return [record for run in folder.runs() if (record := run.read()) is not None]


@pytest.fixture
def record(run_data: Data) -> RunRecord:
    return RunRecord.model_validate(run_data)


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        read()
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_run_round_trip(tmp_path: Path, record: RunRecord) -> None:
    config = load(CONFIG)
    folder = ExperimentFolder(tmp_path / "exp").run("dba", 3)
    assert folder.path == tmp_path / "exp" / "dba" / "seed-3"
    assert folder.read() is None
    assert not folder.path.exists()  # looking makes nothing
    record = folder.write(to_yaml(config), [record.final], record)
    assert record.seal is not None
    assert {path.name for path in folder.path.iterdir()} == {"config.yaml", "history.csv", "result.json"}
    assert folder.read() == record
    assert folder.history() == [record.final]
    again = load(folder.path / "config.yaml")
    assert again == config
    assert config_hash(again) == config_hash(config)
    assert to_yaml(again) == to_yaml(config) == (folder.path / "config.yaml").read_text("utf-8")


def test_the_record_is_written_last(
    tmp_path: Path, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(
        "dba_cli.records._layout.write_atomically", lambda path, text: written.append(path.name)
    )
    RunFolder(tmp_path).write("the config", [], record)
    assert written == ["config.yaml", "history.csv", "result.json"]


def test_a_discarded_run_is_not_finished(tmp_path: Path, record: RunRecord) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.discard()  # nothing to discard
    folder.write("the config", [], record)
    folder.discard()
    assert folder.read() is None
    assert (folder.path / "history.csv").exists()
    in_its_place = RunFolder(folder.path / "history.csv")
    assert in_its_place.read() is None
    in_its_place.discard()
    assert in_its_place.path.exists()


def test_a_run_that_cannot_be_discarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.unlink", fail)
    message = f"{tmp_path / 'result.json'}: cannot be removed (Read-only file system)"
    assert refusal(RunFolder(tmp_path).discard) == message


def test_a_record_truncated_anywhere(tmp_path: Path, record: RunRecord) -> None:
    whole = (record.model_dump_json(indent=2) + "\n").encode()
    folder = RunFolder(tmp_path)
    message = f"{folder.result_file}: damaged record: not valid JSON; delete it and run again"
    for length in range(len(whole) - 1):
        folder.result_file.write_bytes(whole[:length])
        assert refusal(folder.read) == message
    folder.result_file.write_bytes(whole[:-1])  # all but the line's end
    assert folder.read() == record


def test_a_record_with_any_byte_changed(tmp_path: Path, record: RunRecord) -> None:
    whole = record.model_dump_json().encode()
    folder = RunFolder(tmp_path)
    messages = []
    for position in range(len(whole)):
        for byte in (0x00, 0x0A, 0x22, 0x39, 0xFF):
            folder.result_file.write_bytes(whole[:position] + bytes([byte]) + whole[position + 1 :])
            try:
                folder.read()
            except UserError as error:
                messages.append(str(error))
    assert len(messages) > 2 * len(whole)  # a NUL and half a character are nowhere allowed
    assert all(message.startswith(f"{folder.result_file}: damaged record: ") for message in messages)
    assert all(message.isprintable() for message in messages)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "not valid JSON"),
        (b'{"a": 1,}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"9" * 5000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "the whole: "),
        (b'{"half \\ud800": 1}', "status: "),
        (b"{}", "status: "),
    ],
)
def test_contents_that_are_no_record(tmp_path: Path, content: bytes, place: str) -> None:
    folder = RunFolder(tmp_path)
    folder.result_file.write_bytes(content)
    message = refusal(folder.read)
    assert message.startswith(f"{folder.result_file}: damaged record: {place}")
    assert message.endswith("; delete it and run again")


def test_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.result_file.mkdir()
    assert refusal(folder.read) == f"{folder.result_file}: cannot be read (Is a directory)"


# -- experiments --


def test_a_plan_round_trip(tmp_path: Path, plan_data: Data) -> None:
    folder = ExperimentFolder(tmp_path / "exp")
    assert refusal(folder.plan) == f"{folder.plan_file}: cannot be read (No such file or directory)"
    plan = ExperimentRecord.model_validate(plan_data)
    folder.write_plan(plan)
    assert folder.plan() == plan
    assert json.loads(folder.plan_file.read_text()) == plan_data


def test_finished_runs_come_by_name_and_number(tmp_path: Path, run_data: Data) -> None:
    folder = ExperimentFolder(tmp_path / "exp")
    order = [("adam", 2), ("adam", 10), ("dba", 0), ("dba", 1), ("dba", 100), ("sgd", 9)]
    for optimizer, seed in reversed(order):
        run = RunRecord.model_validate({**run_data, "optimizer": optimizer, "seed": seed})
        folder.run(optimizer, seed).write("the config", [], run)
    assert [(run.optimizer, run.seed) for run in finished(folder)] == order
    folder.run("adam", 10).discard()
    assert [(run.optimizer, run.seed) for run in finished(folder)] == [order[0], *order[2:]]


def test_foreign_files_are_ignored(tmp_path: Path, record: RunRecord, plan_data: Data) -> None:
    folder = ExperimentFolder(tmp_path / "exp")
    folder.write_plan(ExperimentRecord.model_validate(plan_data))
    record = folder.run("dba", 3).write("the config", [], record)
    for name in [
        *["README.md", "notes/experiment.txt", "deep/er/experiment.json", ".DS_Store"],
        *["exp/tables.md", "exp/dba/notes.txt", "exp/dba/seed-5", "exp/seed-0/result.json"],
        *["exp/dba/seed-/result.json", "exp/dba/seed-x/result.json", "exp/dba/seed-1 (copy)/result.json"],
        *["exp/dba/seed--1/result.json", "exp/dba/old-seed-1/result.json", "exp/dba/seed-٣/result.json"],
        *["exp/dba/seed-3/.result.json.abc.tmp", "exp/dba/seed-4/.result.json.abc.tmp"],
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("foreign")
    assert [found.path.name for found in experiments_in(tmp_path)] == ["exp"]
    assert finished(folder) == [record]


def test_experiments_come_by_name(tmp_path: Path, plan_data: Data) -> None:
    assert experiments_in(tmp_path / "nowhere") == []
    assert experiments_in(tmp_path) == []
    for name in ["b", "a", "c"]:
        ExperimentFolder(tmp_path / name).write_plan(ExperimentRecord.model_validate(plan_data))
    assert experiments_in(tmp_path) == [ExperimentFolder(tmp_path / name) for name in ["a", "b", "c"]]
    assert experiments_in(tmp_path / "a" / "experiment.json") == []
