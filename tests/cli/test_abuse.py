"""What a shell, a disk or an editor may do to names and files: a clear line, and nothing lost."""

import os
from pathlib import Path

import pytest

PLACES = ["with spaces", "größer 数据", 'a\'b "c" $d;e', "[x] *? {y}", "%s %(name)s {0}"]


@pytest.mark.parametrize("name", PLACES)
def test_paths_of_any_characters(dba, config, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    moved = config.rename(folder / f"{name}.yaml")
    results = folder / "results of it"
    arguments = ("--results", results, "--data", folder / "no data")
    answer = dba("run", moved, *arguments, "--seed", 0)
    assert answer.code == 0
    assert "tiny [1/3] sgd seed 0" in answer.out
    assert len(list(results.rglob("result.json"))) == 3
    again = dba("run", moved, *arguments, "--seed", 0)
    assert str(results / "tiny") in again.out.replace("\n", "")
    compared = dba("compare", "tiny", "--results", results)
    assert compared.code == 0
    assert "1 of 2" in compared.out
    (results / "tiny/sgd/seed-0/result.json").write_text("{")
    line = dba("compare", "tiny", "--results", results).refused()
    assert line.startswith(f"{results / 'tiny/sgd/seed-0/result.json'}: damaged record")
    assert dba("run", folder / "no such.yaml").refused().startswith(f"{folder / 'no such.yaml'}: ")


@pytest.mark.parametrize("command", ["compare", "run"])
def test_a_record_cut_off_is_one_line(dba, config, command):
    """Where it is cut off is of no matter: tests/records tries every byte."""
    dba("run", config, "--quiet", "--seed", 0)
    path = Path("results/tiny/dba/seed-0/result.json")
    for size in (path.stat().st_size - 2, 700, 1, 0):
        os.truncate(path, size)
        answer = dba("compare", "tiny") if command == "compare" else dba("run", config)
        assert answer.refused() == f"{path}: damaged record: not valid JSON; delete it and run again"
    path.unlink()
    assert dba("run", config, "--quiet", "--seed", 0).code == 0
    assert path.exists()


def test_a_plan_cut_off_is_one_line_and_is_written_again(dba, config):
    dba("run", config, "--quiet", "--seed", 0)
    path = Path("results/tiny/experiment.json")
    whole = path.read_bytes()
    os.truncate(path, 100)
    assert dba("compare", "tiny").refused().startswith(f"{path}: damaged record")
    assert dba("run", config, "--quiet", "--seed", 0).code == 0
    assert path.read_bytes() == whole
