import json
from pathlib import Path

import pytest


def result(optimizer: str, seed: int) -> Path:
    return Path("results/tiny") / optimizer / f"seed-{seed}" / "result.json"


def test_every_optimizer_and_seed_once(dba, config):
    first = dba("run", config)
    assert first.code == 0
    assert first.out.splitlines()[0] == "tiny: 6 runs to do"
    assert "[6/6] dba seed 1" in first.out
    before = {path: path.read_bytes() for path in Path("results").glob("**/*.*")}
    assert sum(path.name == "result.json" for path in before) == 6

    second = dba("run", config)
    assert second.out.startswith("tiny: all 6 runs are already there in results/tiny\n")
    # Done now or before: the table, where it lies, and what comes next.
    for answer in (first, second):
        lines = answer.out.splitlines()
        assert [line.split()[0] for line in lines if " 2 of 2 " in line] == ["sgd", "adam", "dba"]
        assert lines[-2] == "Records: results/tiny"
        assert lines[-1].startswith("Next: dba report tiny (")
    assert {path: path.read_bytes() for path in Path("results").glob("**/*.*")} == before


def test_narrowing(dba, config):
    dba("run", config, "--optimizer", "dba", "--optimizer", "sgd", "--seed", "1", "--seed", "0-0")
    found = {path.parent for path in Path("results").glob("**/result.json")}
    assert found == {result(name, seed).parent for name in ("dba", "sgd") for seed in (0, 1)}
    line = dba("run", config, "--seed", 9).refused()
    assert "whose seeds are 0-1; --set seeds=0-9 gives it more" in line


def test_a_changed_config_is_refused_with_what_differs(dba, config):
    dba("run", config, "--seed", 0, "--optimizer", "sgd", "--quiet")
    changed = ["--set", "training.epochs=4", "--set", "optimizers.sgd.lr=0.2"]
    line = dba("run", config, "--optimizer", "sgd", *changed).refused()
    assert "(training.epochs: 3 before, 4 now; optimizer.lr: 0.1 before, 0.2 now)" in line


def test_quiet_prints_no_more_than_the_notice_of_the_record(dba, config):
    answer = dba("run", config, "--quiet", "--seed", 0)
    assert answer.out == ""
    assert answer.err == f"dba: {json.loads(result('sgd', 0).read_text())['data']['notice']}\n"


def test_a_diverged_run_is_recorded_and_the_others_go_on(dba, config):
    # Weight decay alone then multiplies the weights by -499 at every step.
    blown_up = ["--set", "optimizers.sgd.lr=1000", "--set", "optimizers.sgd.weight_decay=0.5"]
    answer = dba("run", config, "--seed", 0, *blown_up, "--set", "training.epochs=60")
    assert answer.code == 0
    assert "sgd seed 0: diverged at step" in answer.err
    records = {name: json.loads(result(name, 0).read_text()) for name in ("sgd", "adam", "dba")}
    assert records["sgd"]["status"] == "diverged"
    assert records["sgd"]["final"] is None
    assert records["adam"]["status"] == records["dba"]["status"] == "finished"


def test_tensorboard_has_the_events_of_each_run(dba, config):
    assert dba("run", config, "--quiet", "--seed", 0, "--tensorboard").code == 0
    assert len(list(Path("results/tiny").glob("*/seed-0/tensorboard/events.out.tfevents.*"))) == 3


@pytest.mark.parametrize(
    "name", ["with spaces", "größer 数据", 'a\'b "c" $d;e', "[x] *? {y}", "%s %(name)s {0}"]
)
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
