"""The committed records, the tables made from them, and the figures on the pages are one."""

from pathlib import Path
from typing import Any

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
    shown = "```text\n" + render(compare(REFERENCE, [name]), "table") + "```\n"
    assert f"<!-- table: {name} -->\n{shown}<!-- end -->" in (ROOT / "docs/results.md").read_text()


@pytest.mark.parametrize(
    ("name", "cases", "over", "under"),
    [
        ("overhead", [], "trainer", "minimal loop"),
        ("deformed_step", ["precision", "optimizer"], "deformed", "plain"),
        ("trace_cost", ["batch"], "with a trace", "without"),
        ("jobs", ["runs"], 1, 2),
        ("step_cost", ["network", "n"], "dba", "plain"),
    ],
)
def test_the_benches_are_made_of_their_recorded_timings(
    name: str, cases: list[str], over: Any, under: Any
) -> None:
    timings = pd.read_csv(ROOT / f"results/bench/{'timings' if name == 'step_cost' else name}.csv")
    if name == "step_cost":
        timings = timings[timings.table == "own"]
    lines = (ROOT / f"results/bench/{name}.md").read_text().splitlines()
    rows = iter(line for line in lines if line.startswith("| ") and "target" not in line)
    for _, case in timings.groupby(cases, sort=False) if cases else [((), timings)]:
        columns = "jobs" if name == "jobs" else "contestant"
        seconds = case.pivot(index="round", columns=columns, values="seconds")
        low, middle, high = (seconds[over] / seconds[under]).quantile([0.25, 0.5, 0.75])
        assert f"{middle:.2f} ({low:.2f}-{high:.2f})" in next(rows)


def _finished(folder: ExperimentFolder) -> list[RunRecord]:
    return [record for run in folder.runs() if (record := run.read()) is not None]


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
