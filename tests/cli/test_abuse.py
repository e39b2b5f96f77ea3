"""What a shell, a disk or an editor may do to names and files: a clear line, and nothing lost."""

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
