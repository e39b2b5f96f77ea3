import json
import sys
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
    assert second.out == "tiny: all 6 runs are already there in results/tiny\n"
    assert {path: path.read_bytes() for path in Path("results").glob("**/*.*")} == before


def test_the_embedded_sample_is_announced_and_recorded(dba, config):
    answer = dba("run", config, "--seed", 0, "--optimizer", "sgd")
    notice = json.loads(result("sgd", 0).read_text())["data"]["notice"]
    assert notice
    assert notice in answer.err


def test_narrowing(dba, config):
    dba("run", config, "--optimizer", "dba", "--optimizer", "sgd", "--seed", "1")
    found = {path.parent for path in Path("results").glob("**/result.json")}
    assert found == {result("dba", 1).parent, result("sgd", 1).parent}
    dba("run", config, "--optimizer", "sgd", "--seed", "0-1")
    assert result("sgd", 0).exists()
    assert not result("adam", 0).exists()


def test_quiet_prints_no_more_than_the_notice(dba, config):
    answer = dba("run", config, "--quiet")
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 1


def test_set_changes_the_run_and_a_changed_config_is_refused(dba, config):
    dba("run", config, "--seed", 0)
    before = result("sgd", 0).read_bytes()
    line = dba("run", config, "--set", "training.epochs=4").refused()
    assert "another config" in line
    assert "--overwrite" in line
    assert result("sgd", 0).read_bytes() == before
    assert not result("sgd", 1).exists()  # refused before anything was trained

    assert dba("run", config, "--set", "training.epochs=4", "--overwrite").code == 0
    assert json.loads(result("sgd", 0).read_text())["final"]["epoch"] == 4.0


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


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--optimizer", "adamm"], ["--optimizer adamm", "did you mean 'adam'?"]),
        (["--seed", "7"], ["--seed 7", "0-1"]),
        (["--seed", "one"], ["--seed", "'one'", "0-4"]),
        (["--seed", "3-1"], ["--seed", "'1-3'"]),
        (["--set", "training.epochs=many"], ["--set training.epochs=many", "integer"]),
        (["--set", "training.epoch=5"], ["--set training.epoch=5", "did you mean 'epochs'?"]),
        (["--set", "optimizers.dbaa.metric=snr"], ["dbaa", "did you mean 'dba'?"]),
        (["--set", "optimizers.dba.metric=nsr"], ["'nsr'", "did you mean 'snr'?"]),
        (["--set", "model.hidden=[]"], ["model.hidden", "at least 1"]),
        (["--set", "optimizers.sgd.lr=-1"], ["optimizers.sgd.lr", "greater than 0"]),
        (["--set", "data.draw.fraction=0"], ["data.draw.fraction", "greater than 0"]),
        (["--set", "data.draw.per_class=7000"], ["data.draw.per_class: 7000", "use 100 or less"]),
        (["--set", "training.batch_size=30"], ["training.batch_size 30", "at most 20"]),
        (["--set", "model={kind: mpl}"], ["model", "'mpl'", "did you mean 'mlp'?"]),
        (["--device", "gpu"], ["--device", "'gpu'", "cuda"]),
        (["--device", "cuda"], ["--device cuda", "choose from cpu"]),
        (["--reslts", "x"], ["--reslts", "--results"]),
        (["missing.yaml"], ["missing.yaml: no such file"]),
        (["tiny.yml"], ["tiny.yml: no such file", "did you mean 'tiny.yaml'?"]),
    ],
)
def test_bad_input_is_one_line(dba, config, arguments, parts, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    line = dba("run", config, *arguments).refused()
    for part in parts:
        assert part in line
    assert not list(Path().glob("results/**/*.*"))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("model:", "modle:", ["tiny.yaml:4: modle", "did you mean 'model'?"]),
        ("hidden: [8]", "hidden: [8", ["tiny.yaml:", "not valid YAML"]),
        ("hidden: [8]", "hidden: wide", ["tiny.yaml:4: model.hidden", "list"]),
        ("kind: adam", "kind: adamw", ["tiny.yaml:8: optimizers.adam", "did you mean 'adam'?"]),
        ("lr: 0.1}", "lr: -1}", ["tiny.yaml:7: optimizers.sgd.lr", "got -1"]),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(dba, config, old, new, parts):
    config.write_text(config.read_text().replace(old, new, 1))
    line = dba("run", config).refused()
    for part in parts:
        assert part in line


def test_a_results_folder_that_cannot_be_written(dba, config, tmp_path):
    (tmp_path / "taken").write_text("a file, where the folder should be")
    line = dba("run", config, "--results", "taken").refused()
    assert line.startswith("taken: cannot be written")


def test_a_truncated_data_file(dba, config, tmp_path):
    raw = tmp_path / "data/MNIST/raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(b"\0\0\x08\x03")
    line = dba("run", config, "--set", "data.source=auto").refused()
    assert "train-images-idx3-ubyte" in line
    assert "dba data fetch" in line


def test_two_configs_of_one_name_are_refused(dba, config, tmp_path):
    (tmp_path / "again.yaml").write_text(config.read_text())
    assert "'tiny'" in dba("run", config, "again.yaml").refused()


def test_no_config_at_all_is_one_line(dba):
    assert "CONFIG" in dba("run").refused()


def test_an_unknown_command_names_the_nearest(dba):
    assert "'run'" in dba("rn").refused()


def test_a_metric_of_ones_own_by_name(dba, config, tmp_path, monkeypatch):
    (tmp_path / "own_selection.py").write_text(
        "from dba_cli import register_metric\n\n\n"
        "@register_metric('standard_error', larger_is_better=False)\n"
        "def standard_error(s):\n"
        "    return s.variance / s.size\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = ["--set", "optimizers.dba.metric=own_selection:standard_error"]
    assert dba("run", config, "--seed", 0, "--optimizer", "dba", *own).code == 0
    assert "own_selection:standard_error" in (result("dba", 0).parent / "config.yaml").read_text()
    line = dba("run", config, "--set", "optimizers.dba.metric=no_such_module:snr").refused()
    assert "no_such_module" in line
    assert "PYTHONPATH" in line


def test_tensorboard_has_the_events_of_each_run(dba, config, monkeypatch):
    assert dba("run", config, "--quiet", "--seed", 0, "--tensorboard").code == 0
    assert len(list(Path("results/tiny").glob("*/seed-0/tensorboard/events.out.tfevents.*"))) == 3
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert "pip install 'dba-cli[tensorboard]'" in dba("run", config, "--tensorboard").refused()
