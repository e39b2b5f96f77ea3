"""The committed report, digests and choices are one: each is made again from the one before."""

import json
from pathlib import Path

import pytest

from dba_cli.config import config_hash, load, load_sweep
from dba_cli.records import ExperimentFolder
from reproduction.choose import BASES, best_variant
from reproduction.claims import short_table
from reproduction.digest import read_digest
from reproduction.final_configs import final_configs
from reproduction.report import report
from reproduction.studies import HEADLINE, RESULTS, ROOT, STUDIES


def test_the_report_is_made_of_the_committed_digests() -> None:
    assert (ROOT / "results/REPORT.md").read_text(encoding="utf-8") == report(RESULTS)


def test_every_picture_of_the_report_is_there() -> None:
    text = (ROOT / "results/REPORT.md").read_text(encoding="utf-8")
    names = {part.partition(")")[0] for part in text.split("](figures/")[1:]}
    assert names
    assert {path.name for path in (ROOT / "results/figures").iterdir()} == names


def test_the_readme_has_the_claims() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- claims: short -->\n")[2].partition("<!-- end -->")[0]
    assert shown == short_table(RESULTS)


@pytest.mark.parametrize("name", ["confirmation", "convergence", "step_budget"])
def test_what_runs_on_the_test_set_is_what_the_validation_split_chose(name: str) -> None:
    path = ROOT / f"configs/reproduce/{name}.yaml"
    assert path.read_text(encoding="utf-8") == final_configs(RESULTS)[name]


@pytest.mark.parametrize(("entry", "base"), [("dba", "sgd"), ("dba_adam", "adam")])
def test_what_is_tuned_is_what_the_screening_found_best(entry: str, base: str) -> None:
    assert base in BASES
    tuning = load_sweep(ROOT / "configs/reproduce/tuning.yaml").points[0].config
    (tuned,) = (each for each in tuning.optimizers if each.name == entry)
    variant = best_variant(base)
    assert {key: getattr(tuned, key) for key in variant} == variant


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_digests_are_of_the_committed_configs(study) -> None:
    """What ``make reproduce`` would run is what is recorded: every run of every point, and no other."""
    assert set(study.options[::2]) <= {"--set"}
    overrides = study.options[1::2]
    path = ROOT / study.config
    configs = (
        {point.name: point.config for point in load_sweep(path, overrides).points}
        if study.sweep
        else {"": load(path, overrides)}
    )
    expected = {
        (name, entry.name, seed, config_hash(config.narrowed(entry.name, seed, "official"))[:12])
        for name, config in configs.items()
        for entry in config.optimizers
        for seed in config.seeds
    }
    runs = read_digest(study.name, RESULTS)
    columns = ["point", "optimizer", "seed", "config_hash"]
    assert set(runs[columns].itertuples(index=False, name=None)) == expected
    assert not runs.git_revision.str.endswith("-dirty").any()


@pytest.mark.parametrize("name", HEADLINE)
def test_the_headline_records_are_committed_and_are_what_the_digest_says(name: str) -> None:
    rows = read_digest(name, RESULTS).set_index(["optimizer", "seed"])
    folder = ExperimentFolder(RESULTS / name)
    found = 0
    for run in folder.runs():
        record = json.loads((Path(run.path) / "result.json").read_text(encoding="utf-8"))
        assert record["data"]["source"] == "official"
        assert rows.loc[(record["optimizer"], record["seed"])].errors == record["final"]["test_errors"]
        found += 1
    assert found == len(rows)
