"""The committed report, digests and choices are one: each is made again from the one before."""

import json
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from dba_cli.config import config_hash, load, load_sweep
from dba_cli.records import ExperimentFolder
from reproduction.__main__ import main
from reproduction.claims import Claim, Figure, short_table
from reproduction.command import ROOT, Command, Place
from reproduction.report import claims, report, write_report
from reproduction.studies import studies
from reproduction.studies.paper_setting import PaperSetting

MNIST = Place()
STUDIES = studies(MNIST)
COMMANDS = [command for study in STUDIES.values() for command in study.commands]


@pytest.mark.parametrize(("file", "text"), [("REPORT.md", report), ("claims.json", claims)])
def test_report_and_claims_are_made_of_the_committed_digests(file: str, text) -> None:
    assert (ROOT / "results" / file).read_text(encoding="utf-8") == text(MNIST)


def test_every_picture_of_the_report_is_there() -> None:
    text = (ROOT / "results/REPORT.md").read_text(encoding="utf-8")
    names = {part.partition(")")[0] for part in text.split("](figures/")[1:]}
    assert names
    assert {path.name for path in (ROOT / "results/figures").iterdir()} == names


def test_the_readme_has_the_claims() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- claims: short -->\n")[2].partition("<!-- end -->")[0]
    assert shown.strip() == short_table((ROOT / "results/claims.json").read_text(encoding="utf-8"))


def test_the_numbers_of_the_claims_are_those_of_the_digests() -> None:
    """By hand, from the committed rows alone, for one claim of each kind."""
    rows = json.loads((ROOT / "results/claims.json").read_text(encoding="utf-8"))["claims"]
    runs = pd.read_csv(MNIST.results / "confirmation/runs.csv")
    means = runs[runs.n_train == 600].groupby("optimizer").errors.mean() / 100
    first = rows[0]["figures"][0]
    assert (first["mean"], first["n"]) == (pytest.approx(100 - means["dba"]), 10)
    control = next(row for row in rows if row["name"] == "C1")["figures"][0]
    assert (control["what"], control["against"]) == ("dba", "random_for_dba")
    assert control["mean"] == pytest.approx(means["random_for_dba"] - means["dba"])
    speed = next(row for row in rows if row["name"] == "C5")["figures"][0]
    curves = pd.read_csv(MNIST.results / "convergence/histories.csv")
    curves = curves[(curves.point == "1pct") & (curves.accuracy >= 0.85)]
    steps = curves.groupby(["optimizer", "seed"]).step.min().groupby("optimizer").median()
    assert speed["mean"] == pytest.approx(steps["sgd_25"] / steps["dba"], abs=1e-6)


@pytest.mark.parametrize("study", ["paper_setting", "convergence", "step_budget"])
def test_what_runs_on_the_test_set_is_what_the_validation_split_chose(study: str) -> None:
    ((path, text),) = STUDIES[study].chosen().items()
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("entry", "base"), [("dba", "sgd"), ("dba_adam", "adam")])
def test_what_is_tuned_is_what_the_screening_found_best(entry: str, base: str) -> None:
    study = PaperSetting(MNIST)
    (tuned,) = (each for each in study.tuning.points[0].config.optimizers if each.name == entry)
    variant = study.best_variant(base)
    assert {key: getattr(tuned, key) for key in variant} == variant


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_digests_are_of_the_committed_configs(command: Command) -> None:
    """What ``make reproduce`` would run is what is recorded: every run of every point, and no other."""
    configs = (
        {point.name: point.config for point in load_sweep(command.path, command.overrides).points}
        if command.sweep
        else {"": load(command.path, command.overrides)}
    )
    expected = {
        (name, entry.name, seed, config_hash(config.narrowed(entry.name, seed, "official"))[:12])
        for name, config in configs.items()
        for entry in config.optimizers
        for seed in config.seeds
    }
    columns = ["point", "optimizer", "seed", "config_hash"]
    assert set(command.runs[columns].itertuples(index=False, name=None)) == expected
    assert not command.runs.git_revision.str.endswith("-dirty").any()


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.sweep], ids=lambda command: command.name)
def test_the_headline_records_are_committed_and_are_what_the_digest_says(command: Command) -> None:
    rows = command.runs.set_index(["optimizer", "seed"])
    found = 0
    for run in ExperimentFolder(command.folder).runs():
        record = json.loads((Path(run.path) / "result.json").read_text(encoding="utf-8"))
        assert record["data"]["source"] == "official"
        assert rows.loc[(record["optimizer"], record["seed"])].errors == record["final"]["test_errors"]
        found += 1
    assert found == len(rows)


def test_another_dataset_has_the_same_studies_and_no_figure_of_the_paper(tmp_path: Path) -> None:
    place = Place("fashion_mnist", root=tmp_path)
    for digest in MNIST.results.glob("*/*.csv"):
        (place.results / digest.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(digest, place.results / digest.parent.name)
    for study in studies(place).values():
        for path, chosen in study.chosen().items():
            path.write_text(chosen, encoding="utf-8")
            assert load_sweep(path).points[0].config.data.evaluate_on == "test"
    write_report(place)
    text = (place.results / "REPORT.md").read_text(encoding="utf-8")
    assert "official Fashion-MNIST" in text
    assert "97.79" not in text
    assert " MNIST" not in text
    found = json.loads((place.results / "claims.json").read_text(encoding="utf-8"))["claims"]
    assert {row["name"] for row in found} == {"C1", "C2", "C3", "C4", "C5"}
    assert {row["target"] for row in found if row["name"] in {"C2", "C3", "C4"}} == {None}
    commands = [c for study in studies(place).values() for c in study.commands]
    assert all("data.dataset=fashion_mnist" in command.words for command in commands)


def test_a_quick_run_with_one_seed_and_few_points_has_a_report(tmp_path: Path) -> None:
    place = Place(quick=True, root=tmp_path)
    for digest in MNIST.results.glob("*/*.csv"):
        rows = pd.read_csv(digest, dtype=str, keep_default_na=False)
        rows = rows[rows.seed == rows.seed.iloc[0]]
        if digest.parent.name == "screening":
            rows = rows[rows["values"].str.contains('"norm".*"layer"')]
        (place.results / digest.parent.name).mkdir(parents=True, exist_ok=True)
        rows.to_csv(place.results / digest.parent.name / digest.name, index=False)
    text = report(place)
    assert text.count("\n## ") == report(MNIST).count("\n## ")
    assert "Is a subset for each layer" not in text
    rows = json.loads(claims(place))["claims"]
    assert {row["verdict"] for row in rows if row["name"] == "C1"} == {"undecided"}
    assert {number["n"] for row in rows for number in row["figures"]} == {1}


def test_what_has_not_run_is_left_out(tmp_path: Path) -> None:
    text = report(Place(quick=True, root=tmp_path))
    assert "## The claims" in text
    assert "## The step-budget" not in text
    assert json.loads(claims(Place(root=tmp_path)))["claims"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "convergance"], "no such command: convergance"),
        (["run", "--dataset", "cifar"], "invalid choice: 'cifar'"),
        (["choose", "--quick"], "leave --quick out"),
    ],
)
def test_what_is_unknown_is_refused(words: list[str], said: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert said in capsys.readouterr().err


def test_a_dataset_whose_files_are_missing_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch, capfd
) -> None:
    monkeypatch.setattr("reproduction.__main__.Place", partial(Place, root=tmp_path / "results"))
    line = ["run", "ladder", "--quick", "--dataset", "kmnist", "--data", str(tmp_path)]
    assert main(line) == 2
    assert "kmnist" in capfd.readouterr().err.lower()


def test_a_claim_is_one_place_and_then_in_numbers_report_and_readme(monkeypatch) -> None:
    number = Figure("dba", "sgd", "questions answered", 42.0, None, 1)
    new = Claim("C6", "it answers everything", "random draw", "42", "holds", 42.0, [number])
    monkeypatch.setattr(PaperSetting, "claims", lambda self: [new])
    found = claims(MNIST)
    assert json.loads(found)["claims"][0]["figures"] == [asdict(number)]
    assert "| C6 | it answers everything | random draw | 42 | holds |" in report(MNIST)
    assert "| it answers everything, random draw | 42 | holds |" in short_table(found)
