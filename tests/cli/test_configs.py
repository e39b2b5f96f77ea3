"""The configs that come with the package, by their names."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from dba_cli.cli import COMMANDS
from dba_cli.config import load
from dba_cli.shipped import shipped

BASES = [name for name, path in shipped().items() if "\nexperiment:" not in f"\n{path.read_text()}"]


def test_each_is_listed_with_what_it_is_for(dba):
    lines = dba("configs").out.splitlines()
    listed = {name: text.strip() for name, _, text in (line.partition(" ") for line in lines)}
    whole = {name for name in shipped() if name not in BASES}
    assert listed.keys() == whole
    assert all(listed.values())


def test_a_name_runs_and_a_file_made_of_it_does_the_same_runs(dba, tmp_path):
    small = ["--set", "training.epochs=1", "--set", "data.source=embedded", "--quiet", "--optimizer", "sgd"]
    assert dba("run", "smoke", *small).code == 0
    assert dba("init", "smoke").code == 0
    again = dba("run", "smoke.yaml", *small[:-3], "--optimizer", "sgd")
    assert "smoke: all 2 runs are already there" in again.out
    assert dba("init", "smoke", "mine.yaml").code == 0
    mine = load(tmp_path / "mine.yaml")
    assert mine.experiment.name == "mine"
    assert mine.model_copy(update={"experiment": load(Path("smoke")).experiment}) == load(Path("smoke"))
    (tmp_path / "wider.yaml").write_text("extends: smoke\nmodel: {hidden: [9]}\n")
    assert load(tmp_path / "wider.yaml").model.arguments["hidden"] == (9,)


@pytest.mark.parametrize("name", [name for name in shipped() if name not in BASES])
def test_every_one_can_be_written_to_a_file(dba, tmp_path, name):
    assert dba("init", name, "mine.yaml").code == 0
    written, original = load(tmp_path / "mine.yaml"), load(Path(name))
    assert written.model_copy(update={"experiment": original.experiment}) == original


def test_refusals(dba, tmp_path):
    assert "did you mean 'mnist_1pct'?" in dba("run", "mnist_1pc").refused()
    assert "'smoke', without .yaml, is" in dba("run", "configs/smoke.yaml").refused()
    assert "did you mean 'smoke'?" in dba("init", "smok").refused()
    assert dba("init", "base").refused() == "base: no config that comes with dba; 'dba configs' lists them"
    assert "ends in .yaml" in dba("init", "smoke", "smoke.txt").refused()
    assert "experiment.name" in dba("init", "smoke", "a b.yaml").refused()
    (tmp_path / "smoke.yaml").write_text("mine")
    assert "is there already" in dba("init", "smoke").refused()
    assert (tmp_path / "smoke.yaml").read_text() == "mine"
    (tmp_path / "other.yaml").write_text("extends: smokes\n")
    assert dba("run", "other.yaml").refused().startswith("other.yaml:1: extends: ")
    (tmp_path / "mnist_1pct").write_text(json.dumps({"seeds": "0-"}))  # a file of yours comes first
    assert dba("run", "mnist_1pct").refused().startswith("mnist_1pct:1: seeds")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_help_names_a_file_of_the_checkout(command):
    said = (import_module(f"dba_cli.cli._{command}").__doc__ or "").replace("mine.yaml", "")
    assert not re.findall(r"configs/\S+|\.venv/\S+|make \S+", said)
