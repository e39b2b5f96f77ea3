"""The committed report, digests and choices are one: each is made again from the one before."""

import json
import re
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from dba_cli.comparison import Estimate
from dba_cli.config import config_hash, load, load_sweep
from dba_cli.plots import encode
from dba_cli.records import ExperimentFolder
from reproduction.__main__ import main
from reproduction.answers import answers
from reproduction.claims import Claim, Side, figure, judged, read_claims
from reproduction.command import ROOT, Command, Place
from reproduction.report import claims, paper, report, write_report
from reproduction.studies import studies
from reproduction.studies.headline import _GOALS
from reproduction.studies.paper_setting import PaperSetting

MNIST = Place()
STUDIES = studies(MNIST)
CLAIMS = json.loads((ROOT / "results/claims.json").read_text(encoding="utf-8"))["claims"]
COMMANDS = [c for study in STUDIES.values() if study.ready for c in study.commands if len(c.runs)]


@pytest.mark.parametrize(
    ("file", "text"),
    [("results/REPORT.md", report), ("results/claims.json", claims), ("docs/paper/paper.typ", paper)],
)
def test_report_claims_and_paper_are_made_of_the_committed_digests(file: str, text) -> None:
    assert (ROOT / file).read_text(encoding="utf-8") == text(MNIST, STUDIES), "`make report` writes it anew"


def test_no_figure_of_the_paper_was_written_by_hand() -> None:
    template = (ROOT / "reproduction/paper.typ.jinja").read_text(encoding="utf-8")
    typed = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", template)
    assert set(re.findall(r"\d+\.\d+\b(?!pt)", typed)) == {"0.05"}  # the level of the tests


def test_the_paper_has_four_pages_and_cites_what_it_lists() -> None:
    typst = pytest.importorskip("typst")
    pages = typst.compile(ROOT / "docs/paper/paper.typ", root=ROOT, ignore_system_fonts=True, format="svg")
    assert len(pages) == 4
    cited = set(re.findall(r"@(\w+\d{4})\b", (ROOT / "docs/paper/paper.typ").read_text(encoding="utf-8")))
    listed = re.findall(
        r"^@\w+\{(\w+),", (ROOT / "docs/paper/references.bib").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(cited) == sorted(listed)


def test_every_picture_of_the_report_is_there() -> None:
    text = (ROOT / "results/REPORT.md").read_text(encoding="utf-8")
    names = {part.partition(")")[0] for part in text.split("](figures/")[1:]}
    assert names
    assert {path.name for path in (ROOT / "results/figures").iterdir()} == names


def test_the_readme_answers_eight_questions_at_most() -> None:
    _, _, *rows = answers((ROOT / "results/claims.json").read_text(encoding="utf-8")).split("\n")
    assert len(rows) <= 8
    assert all(row.count("? | **") == 1 for row in rows)


def test_the_readmes_picture_is_made_of_the_committed_digests() -> None:
    drawn = encode(STUDIES["wrong_labels"].figures()["wrong_labels"], "svg")
    assert (ROOT / "results/figures/wrong_labels.svg").read_bytes() == drawn, "make report draws it anew"


def test_the_numbers_of_the_claims_are_those_of_the_digests() -> None:
    """By hand, from the committed rows alone, for one claim of each kind."""
    rows = {row["key"]: row["figures"][0] for row in CLAIMS}
    runs = pd.read_csv(MNIST.results / "confirmation/runs.csv")
    means = runs[runs.n_train == 600].groupby("optimizer")[["errors", "samples"]].mean()
    first = rows["accuracy 1pct"]
    assert (first["mean"], first["n"]) == (pytest.approx(100 - means.errors["dba_adam"] / 100), 10)
    control = rows["selection 1pct"]
    sides = [{"name": each, "looked_at": means.samples[each]} for each in ("dba", "random_for_dba")]
    assert [control["of"], control["against"]] == sides
    assert control["mean"] == pytest.approx((means.errors["random_for_dba"] - means.errors["dba"]) / 100)
    speed = rows["speed 1pct"]
    curves = pd.read_csv(MNIST.results / "convergence/histories.csv")
    curves = curves[(curves.point == "1pct") & (curves.accuracy >= 0.85)]
    steps = curves.groupby(["optimizer", "seed"]).step.min()
    assert speed["mean"] == pytest.approx((steps["dba"] / steps["sgd_25"]).mean(), abs=1e-6)


def test_the_entry_that_a_claim_shows_is_the_best_on_the_validation_split() -> None:
    """By hand, from the committed tunings: the test set does not decide which of ours is shown."""
    shown = {row["key"]: row["figures"][0]["of"]["name"] for row in CLAIMS}
    tuning = pd.read_csv(MNIST.results / "tuning/runs.csv")
    budget = pd.read_csv(MNIST.results / "step_budget_tuning/runs.csv")
    wide = budget["values"].ffill().str.contains('"model.hidden": [800]', regex=False)
    for claim, runs, selections in [
        ("accuracy 1pct", tuning[tuning.n_train == 600], ["dba", "dba_adam", "variance"]),
        ("accuracy 10_per_class", tuning[tuning.n_train == 100], ["dba", "dba_adam", "variance"]),
        (
            "step budget 1pct, 800",
            budget[wide & budget.protocol.str.startswith("step budget 600")],
            ["projection", "alignment"],
        ),
    ]:
        runs = runs[(runs.status == "finished") & runs.optimizer.isin(selections)]
        assert shown[claim] == runs.groupby(["optimizer", "point"]).errors.mean().idxmin()[0]


@pytest.mark.parametrize(
    ("mean", "half_width", "target", "quantity", "p", "said"),
    [
        (98.0, 0.2, 97.79, "accuracy", None, "reached"),
        (98.0, 0.3, 97.79, "accuracy", None, "within the interval"),
        (97.0, 0.3, 97.79, "accuracy", None, "not reached"),
        (98.0, None, 97.79, "accuracy", None, "undecided"),
        (0.5, 0.2, 0.0, "points more", 0.04, "better"),
        (0.5, 0.2, 0.0, "points more", 0.05, "no difference shown"),
        (-0.5, 0.2, 0.0, "points more", 0.01, "worse"),
        (1.5, 0.4, 1.0, "seconds", None, "costs more"),
        (0.5, 0.4, 1.0, "steps", None, "costs less"),
        (1.5, 0.6, 1.0, "images looked at", None, "no difference shown"),
    ],
)
def test_one_rule_makes_every_verdict(mean, half_width, target, quantity, p, said) -> None:
    assert judged(Estimate(mean, half_width, 10), target, quantity, p) == said


@pytest.mark.parametrize(
    ("study", "configs"),
    [
        ("paper_setting", 1),
        ("convergence", 1),
        ("step_budget", 2),
        ("wrong_labels", 1),
        ("where_it_helps", 5),
    ],
)
def test_what_runs_on_the_test_set_is_what_the_validation_split_chose(study: str, configs: int) -> None:
    chosen = STUDIES[study].chosen()
    assert len(chosen) == configs
    assert {path: path.read_text(encoding="utf-8") for path in chosen} == chosen


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
        (name, entry.name, seed, config_hash(config.narrowed(entry.name, seed, source))[:12])
        for name, config in configs.items()
        for source in ["official" if config.data.source == "auto" else config.data.source]
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


def test_another_dataset_has_the_same_studies_and_no_figure_of_the_paper(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        "reproduction.report.encode", lambda figure, kind: kind.encode()
    )  # a second a picture
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
    drawn = {path.name for path in (place.results / "figures").iterdir()}
    assert drawn == {part.partition(")")[0] for part in text.split("](figures/")[1:]}
    assert "official Fashion-MNIST" in text
    assert "97.79" not in text
    assert " MNIST" not in text
    found = json.loads((place.results / "claims.json").read_text(encoding="utf-8"))["claims"]
    here, there = ({row["key"] for row in rows} for rows in (CLAIMS, found))
    only_here = {key for key in here - there if not key.startswith("map ")}  # its keys say the data
    assert only_here == {f"goal {name}" for name in _GOALS}
    assert not any("digits" in key for key in there)
    judged_by = ("accuracy", "errors removed", "step budget 1")
    figures = [each for row in found if row["key"].startswith(judged_by) for each in row["figures"]]
    assert {each["target"] for each in figures if each["quantity"] != "points more"} == {None}
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
    whole = (ROOT / "results/REPORT.md").read_text(encoding="utf-8")
    assert text.count("\n## ") == whole.count("\n## ")
    assert "Is a subset for each layer" not in text
    rows = json.loads(claims(place))["claims"]
    figures = [each for row in rows for each in row["figures"]]
    assert {each["verdict"] for each in figures} == {"undecided", ""}
    assert {each["n"] for each in figures} == {1}


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


def test_a_claim_is_one_place_and_then_in_numbers_and_report(monkeypatch) -> None:
    number = figure(Side("dba", 600), Side("sgd", 300), "points more", Estimate(42.0, 1.0, 5), target=0.0)
    new = Claim("everything", "it answers everything", "random draw", [number])
    monkeypatch.setattr(PaperSetting, "claims", lambda self: [new])
    found = claims(MNIST)
    assert json.loads(found)["claims"][0]["figures"] == [asdict(number)]
    assert read_claims(found)["everything"] == new
    sides = "| it answers everything | random draw | DBA (600) | SGD (300) |"
    assert f"{sides} +42.00 ± 1.00 points | 5 | better |" in report(MNIST)
