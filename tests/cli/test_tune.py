"""dba tune: the same budget for every optimizer, on held-out training data, resumable."""

import json
import shutil
import sys
from pathlib import Path

import optuna
import pytest

import dba_cli
from dba_cli.config import load

FOLDER = Path("results/tiny_tune")
NARROW = ["--optimizer", "sgd", "--optimizer", "dba"]


def records() -> dict[tuple[str, ...], dict]:
    return {path.parts[-4:-1]: json.loads(path.read_text()) for path in FOLDER.glob("*/*/*/result.json")}


def test_a_search_from_the_first_point_to_the_tuned_config(dba, config):
    done = dba("tune", config, "--trials", 5, *NARROW)
    assert done.code == 0, done.err
    found = records()
    assert {name: sum(key[1] == name for key in found) for name in ("sgd", "dba")} == {"sgd": 10, "dba": 10}
    assert {record["data"]["evaluated_on"] for record in found.values()} == {"validation"}
    assert len({record["final"]["step"] for record in found.values()}) == 1

    # What was chosen has the fewest errors of its optimizer, recounted here, and nothing else was changed.
    tuned, before = load(FOLDER / "tuned.yaml"), load(config)
    for name, key in (("sgd", "lr"), ("dba", "base")):
        errors: dict[str, int] = {}
        for (point, optimizer, _), record in found.items():
            if optimizer == name:
                errors[point] = errors.get(point, 0) + record["final"]["test_errors"]
        (entry,) = [each for each in tuned.optimizers if each.name == name]
        value = entry.arguments[key] if key == "lr" else entry.base.arguments["lr"]
        values = {p["name"]: p["values"] for p in json.loads((FOLDER / "sweep.json").read_text())["points"]}
        at = [point for point, of in values.items() if list(of.values()) == [value] and point in errors]
        assert errors[at[0]] == min(errors.values())
        assert list(values[f"{name}-000"].values()) == [0.1]  # the config as it is comes first
    assert tuned.data == before.data
    assert tuned.seeds == before.seeds
    assert f"Next: dba run {FOLDER / 'tuned.yaml'}" in done.out

    # Optuna reads its own file.
    backend = optuna.storages.journal.JournalFileBackend(str(FOLDER / "study.log"))
    studies = optuna.get_all_study_summaries(optuna.storages.JournalStorage(backend))
    assert {(study.study_name, study.n_trials) for study in studies} == {("sgd", 5), ("dba", 5)}

    # Stopped within the last round, and whatever a dead process left of the study: the same in the end.
    written = (FOLDER / "tuned.yaml").read_bytes()
    shutil.rmtree(FOLDER / "dba-004")
    (FOLDER / "study.log").write_bytes(b'{"op_code"')
    (FOLDER / "tuned.yaml").unlink()
    assert dba("tune", config, "--trials", 5, *NARROW, "--quiet").code == 0
    assert (FOLDER / "tuned.yaml").read_bytes() == written
    assert records().keys() == found.keys()
    assert (
        "holds a search with another space" in dba("tune", config, "--space", "lr=0.1,1", *NARROW).refused()
    )
    assert "holds a search with another seed" in dba("tune", config, "--search-seed", 1, *NARROW).refused()
    for name in ("tune.json", "sweep.json", "sgd-000/sgd/seed-0/result.json"):
        content = (FOLDER / name).read_bytes()
        (FOLDER / name).write_bytes(content[: len(content) // 2])
        line = dba("tune", config, "--trials", 5, *NARROW).refused()
        assert line.startswith(f"{FOLDER / name}: damaged record")
        (FOLDER / name).write_bytes(content)


def test_choices_and_ranges_from_python(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {
        "optimizers.dba.size": {"low": 2, "high": 5},
        "optimizers.dba.metric": ["snr", "norm"],
        "lr": [0.1, 0.3],
    }
    best = dba_cli.tune(config, space, trials=2, optimizers=["dba", "adam"], seeds=0, name="by_hand")
    assert best.keys() == {"dba", "adam"}
    assert best["dba"]["optimizers.dba.size"] in range(2, 6)
    assert best["dba"]["optimizers.dba.metric"] in ("snr", "norm")
    assert best["dba"].keys() == {"optimizers.dba.size", "optimizers.dba.metric", "optimizers.dba.base.lr"}
    assert best["adam"].keys() == {"optimizers.adam.lr"}


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--space", "model.hidden=[8],[9]"], ["--space model.hidden", "same for all"]),
        (["--space", "optimizers.sgdd.lr=1,2"], ["optimizers.sgdd.lr", "sgd, adam, dba"]),
        (["--space", "optimizers.dba.size=2,3"], ["sgd has nothing to search"]),
        (["--space", "rate=1,2"], ["unknown key 'rate'"]),
        (["--space", "lr={low: 2, high: 1}"], ["not below"]),
        (["--space", "lr"], ["give KEY=V1,V2"]),
        (["--optimizer", "sdg"], ["--optimizer sdg"]),
        (["--trials", "0"], ["--trials"]),
        (["--name", "a/b"], ["--name a/b"]),
    ],
)
def test_refusals_before_anything_is_written(dba, config, options, parts):
    line = dba("tune", config, *options).refused()
    assert all(part in line for part in parts), line
    assert not list(Path("results").glob("*/*")) if Path("results").exists() else True


def test_without_optuna(dba, config, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "pip install 'dba-cli[tune]'" in dba("tune", config).refused()
