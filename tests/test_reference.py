"""The committed records, the tables made from them, and the figures on the pages are one."""

from pathlib import Path

import pandas as pd
import pytest

from dba_cli.comparison import compare, render
from dba_cli.config import config_hash, load
from dba_cli.records import ExperimentFolder, RunRecord

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results/reference"


@pytest.mark.parametrize(("suffix", "name"), [("md", "markdown"), ("csv", "csv")])
def test_the_committed_tables_are_what_compare_prints(suffix: str, name: str) -> None:
    assert (REFERENCE / f"tables.{suffix}").read_text() == render(compare(REFERENCE), name)


def test_the_reference_experiments_are_complete() -> None:
    assert compare(REFERENCE).incomplete == []


@pytest.mark.parametrize("name", ["mnist_1pct", "mnist_10_per_class"])
def test_the_page_of_results_shows_the_table(name: str) -> None:
    assert _between("table", name) == "```text\n" + render(compare(REFERENCE, [name]), "table") + "```\n"


def test_the_bench_report_is_made_of_its_recorded_timings() -> None:
    timings = pd.read_csv(ROOT / "results/bench/timings.csv")
    own = timings[(timings.table == "own") & (timings.network == "MLP 784-800-10") & (timings.n == 200)]
    seconds = own.pivot(index="round", columns="contestant", values="seconds")
    low, middle, high = (seconds["dba"] / seconds["plain"]).quantile([0.25, 0.5, 0.75])
    lines = _between("bench", "step_cost, DBA step over plain step").splitlines()
    (row,) = (line for line in lines if "784-800-10" in line and "| 200 " in line)
    assert f"{middle:.2f} ({low:.2f}-{high:.2f})" in row


@pytest.mark.parametrize(
    ("name", "cases", "over", "under"),
    [
        ("deformed_step", ["precision", "optimizer"], "deformed", "plain"),
        ("trace_cost", ["batch"], "with a trace", "without"),
    ],
)
def test_the_small_benches_are_made_of_their_recorded_timings(
    name: str, cases: list[str], over: str, under: str
) -> None:
    timings = pd.read_csv(ROOT / f"results/bench/{name}.csv")
    lines = (ROOT / f"results/bench/{name}.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and "target" not in line]
    groups = list(timings.groupby(cases, sort=False))
    assert len(groups) == len(rows)
    for (_, case), row in zip(groups, rows, strict=True):
        seconds = case.pivot(index="round", columns="contestant", values="seconds")
        low, middle, high = (seconds[over] / seconds[under]).quantile([0.25, 0.5, 0.75])
        assert f"{middle:.2f} ({low:.2f}-{high:.2f})" in row


def test_the_gain_of_jobs_is_made_of_its_recorded_timings() -> None:
    timings = pd.read_csv(ROOT / "results/bench/jobs.csv")
    lines = (ROOT / "results/bench/jobs.md").read_text().splitlines()
    for runs, case in timings.groupby("runs"):
        seconds = case.pivot(index="round", columns="jobs", values="seconds")
        low, middle, high = (seconds[1] / seconds[2]).quantile([0.25, 0.5, 0.75])
        (row,) = (line for line in lines if line.startswith(f"| {runs} "))
        assert f"{middle:.2f} ({low:.2f}-{high:.2f})" in row


def _finished(folder: ExperimentFolder) -> list[RunRecord]:
    return [record for run in folder.runs() if (record := run.read()) is not None]


def _between(kind: str, name: str) -> str:
    """Return what stands between a pair of marks on the page that has them."""
    text = (ROOT / "docs" / {"table": "results.md", "bench": "engine.md"}[kind]).read_text()
    return text.partition(f"<!-- {kind}: {name} -->\n")[2].partition("<!-- end -->")[0]


@pytest.mark.parametrize("name", ["mnist_1pct", "mnist_10_per_class"])
def test_the_records_are_of_the_committed_configs(name: str) -> None:
    """What ``make reference`` would run is what is recorded: it finds every run done."""
    config = load(ROOT / f"configs/{name}.yaml")
    folder = ExperimentFolder(REFERENCE / name)
    plan = folder.plan()
    assert plan.seeds == config.seeds
    assert plan.optimizers == {
        entry.name: config_hash(config.narrowed(entry.name, config.seeds[0], "official"))
        for entry in config.optimizers
    }
    recorded = {(record.optimizer, record.seed) for record in _finished(folder)}
    assert recorded == {(entry.name, seed) for entry in config.optimizers for seed in config.seeds}


def test_the_records_come_from_committed_code_and_official_data() -> None:
    for path in sorted(REFERENCE.glob("*/experiment.json")):
        for record in _finished(ExperimentFolder(path.parent)):
            assert record.data.source == "official"
            assert record.git_revision is not None
            assert not record.git_revision.endswith("-dirty")
