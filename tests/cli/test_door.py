"""The Python door: what the commands do, as pandas frames."""

from pathlib import Path

import pytest

import dba_cli
from dba_cli.config import load
from dba_cli.records import RunFolder


def test_run_does_what_the_command_does(dba, config, capsys):
    table = dba_cli.run(config, optimizers=["sgd", "dba"], seeds="0-1", overrides={"model.hidden": [6]})
    assert capsys.readouterr() == ("", "")  # quiet, the notice of the embedded sample included
    assert list(table["optimizer"] + table["seed"].astype(str)) == ["sgd0", "dba0", "sgd1", "dba1"]
    for row in table.itertuples():
        last = RunFolder(Path("results/tiny", row.optimizer, f"seed-{row.seed}")).history()[-1]
        assert (row.test_accuracy, row.test_errors) == (last.test_accuracy, last.test_errors)
    assert set(zip(table["status"], table["draw"], table["n_train"], strict=True)) == {
        ("finished", "per_class=2", 20)
    }
    kept = table[table["optimizer"] == "dba"]["fraction.hidden1"]
    assert kept.between(0.25, 1).all()
    assert "2 already there" in dba("run", config, "--seed", 0, "--set", "model.hidden=[6]").out
    before = list(table["finished_at"])
    again = dba_cli.run([str(config)], optimizers="dba", seeds=1, overrides=["model.hidden=[6]"])
    assert list(again["finished_at"]) == before[-1:]  # found, not done again
    anew = dba_cli.run(config, optimizers="dba", seeds=[1], overwrite=True)
    assert anew["parameters"].item() > table["parameters"].iloc[0]


def test_compare_is_the_table(dba, config):
    runs = dba_cli.run(load(config))
    table = dba_cli.compare("tiny").set_index("optimizer")
    means = runs.groupby("optimizer")["test_accuracy"].mean()
    assert table["accuracy"].to_dict() == pytest.approx(means.to_dict())
    dba("run", config, "--results", "half", "--seed", 0, "--quiet")
    assert len(dba_cli.compare(results="half")) == 3
    with pytest.raises(dba_cli.UserError, match="tiny"):
        dba_cli.compare(results="half", strict=True)


def test_sweep_has_a_column_for_each_key(dba, config):
    grid = {"optimizers.sgd.lr": [0.05, 0.2], "model.hidden": [[5], [6]]}
    table = dba_cli.sweep(config, grid, optimizers="sgd", seeds=0, name="mine")
    assert sorted(zip(table["optimizers.sgd.lr"], table["model.hidden"].map(tuple), strict=True)) == [
        (0.05, (5,)), (0.05, (6,)), (0.2, (5,)), (0.2, (6,)),
    ]  # fmt: skip
    command = ["--grid", "optimizers.sgd.lr=0.05,0.2", "--grid", "model.hidden=[5],[6]", "--name", "mine"]
    again = dba("sweep", config, *command, "--optimizer", "sgd", "--seed", 0)
    assert "all 4 runs are already there" in again.out
    drawn_from = {"optimizers.sgd.lr": {"low": 0.01, "high": 1, "log": True}}
    drawn = dba_cli.sweep(config, drawn_from, random=2, optimizers="sgd", seeds=0)
    assert drawn["optimizers.sgd.lr"].between(0.01, 1).all()
    assert drawn["experiment"].nunique() == 2


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ({"optimizers": ["sgd", "dbaa"]}, ["dbaa", "did you mean 'dba'?"]),
        ({"overrides": {"training.epoch": 5}}, ["did you mean 'epochs'?"]),
        ({"overwite": True}, ["overwite", "did you mean 'overwrite'?"]),
        ({"device": "gpu"}, ["gpu", "choose from cpu"]),
    ],
)
def test_bad_input_is_refused_in_one_line(dba, config, how, parts, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(dba_cli.UserError) as refusal:
        dba_cli.run(config, **how)
    assert all(part in str(refusal.value) for part in parts)
    assert not list(Path().glob("results/**/*.*"))


def test_one_name_twice_and_values_for_a_config_are_refused(dba, config):
    with pytest.raises(dba_cli.UserError, match="'tiny'"):
        dba_cli.run([config, load(config)])
    with pytest.raises(dba_cli.UserError, match="a Config has its values"):
        dba_cli.run(load(config), overrides={"seeds": 3})


def test_every_name_is_there():
    assert [name for name in dir(dba_cli) if getattr(dba_cli, name) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'DynamicBach'"):
        dba_cli.DynamicBach  # noqa: B018
