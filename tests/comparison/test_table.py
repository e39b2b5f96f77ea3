import subprocess
import sys

import pytest

from dba_cli.comparison import Section, compare


def rows(section: Section):
    return {row.optimizer: row for row in section.rows}


def only_section(results) -> Section:
    (section,) = compare(results.root).sections
    return section


@pytest.mark.parametrize(
    "difference",
    [
        {"protocol": "selected draw"},
        {"dataset": "kmnist"},
        {"source": "embedded"},
        {"draw": {"per_class": 60}},
        {"n_train": 601},
        {"n_test": 9_999},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_runs_that_differ_in_their_setting_never_stand_in_one_table(results, difference):
    results.plan(["sgd"], [0, 1])
    results.run("sgd", 0, 1000)
    results.run("sgd", 1, 2000, **difference)
    first, second = compare(results.root).sections
    assert first.setting != second.setting
    assert {row.finished for section in (first, second) for row in section.rows} == {(0,), (1,)}
    assert len(compare(results.root).incomplete) == 2


def test_runs_of_different_configs_never_share_a_row(results):
    results.plan(["sgd"], [0, 1])
    results.run("sgd", 0, 1000)
    results.run("sgd", 1, 2000, config_hash="f" * 64)
    current, other = only_section(results).rows
    assert (current.current, current.finished, current.missing) == (True, (0,), (1,))
    assert (other.current, other.finished, other.missing) == (False, (1,), ())
    assert other.notes == ("runs of another config (ffffffff) than the plan's: not compared",)


def test_rows_come_in_the_plans_order_then_others_by_name(results):
    results.plan(["dba", "sgd", "adam"], [0])
    for optimizer in ("zeta", "adam", "extra", "dba"):
        results.run(optimizer, 0, 1000)
    assert [row.optimizer for row in only_section(results).rows] == ["dba", "sgd", "adam", "extra", "zeta"]


def test_a_planned_optimizer_without_runs_has_a_row(results):
    results.plan(seeds=[0, 1])
    results.runs("sgd", [1000, 1100])
    dba = rows(only_section(results))["dba"]
    assert (dba.planned, dba.finished, dba.missing, dba.accuracy) == (2, (), (0, 1), None)
    assert dba.notes == ("seeds 0-1 missing",)


def test_an_experiment_without_runs_is_all_missing(results):
    results.plan(["sgd", "dba"], [4])
    section = only_section(results)
    assert section.setting is None
    assert compare(results.root).incomplete == [
        "exp: sgd: 0 of 1 runs recorded, seed 4 missing",
        "exp: dba: 0 of 1 runs recorded, seed 4 missing",
    ]


def test_when_only_old_runs_stand_the_plan_comes_first_and_is_missing(results):
    results.plan(["sgd"], [0])
    results.run("sgd", 0, 1000, config_hash="f" * 64)
    planned, old = compare(results.root).sections
    assert (planned.setting, planned.rows[0].missing) == (None, (0,))
    assert old.rows[0].accuracy is not None
    assert compare(results.root).incomplete == ["exp: sgd: 0 of 1 runs recorded, seed 0 missing"]


def test_what_the_plan_is_about_comes_before_what_is_left_of_other_configs(results):
    results.plan(["sgd", "dba"], [0])
    results.run("sgd", 0, 1000, source="official")
    results.run("dba", 0, 1000, source="embedded", config_hash="f" * 64)
    first, second = compare(results.root).sections
    assert [row.optimizer for row in first.rows] == ["sgd", "dba"]
    assert [row.optimizer for row in second.rows] == ["dba"]
    assert second.rows[0].current is False


def test_complete_experiments_have_nothing_incomplete(paper_results):
    assert compare(paper_results.root).incomplete == []


def test_a_diverged_run_leaves_nothing_to_complete(results):
    results.plan(["sgd"], [0, 1])
    results.runs("sgd", [1000, None])
    assert compare(results.root).incomplete == []


def test_incomplete_says_what_is_missing(results):
    results.plan(["sgd"], range(5))
    results.runs("sgd", [1000, None])
    assert compare(results.root).incomplete == ["exp: sgd: 2 of 5 runs recorded, seeds 2-4 missing"]


def test_the_notice_of_the_runs_is_the_sections(results):
    results.plan(["sgd"], [0, 1])
    results.runs("sgd", [1000, 1100], source="embedded", notice="NOT OFFICIAL")
    assert only_section(results).notice == "NOT OFFICIAL"


def test_the_terminal_table_waits_for_neither_torch_nor_pandas(paper_results):
    code = """
import sys
from pathlib import Path
from dba_cli.comparison import compare, print_tables
print_tables(compare(Path(sys.argv[1])))
sys.exit("torch" in sys.modules or "pandas" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, paper_results.root], check=True, stdout=subprocess.DEVNULL)


def test_no_format_waits_for_torch(paper_results):
    code = """
import sys
from pathlib import Path
from dba_cli.comparison import FORMATS, compare, render
for name in FORMATS:
    render(compare(Path(sys.argv[1])), name)
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, paper_results.root], check=True)
