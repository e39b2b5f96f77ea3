import json
import sys
from pathlib import Path


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
