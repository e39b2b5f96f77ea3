"""Which runs share a row and which rows a table; the figures of a row, by hand."""

import subprocess
import sys
from math import sqrt

import pytest

from dba_cli.comparison import Estimate, compare, render

from .conftest import PAPER

T_2 = 4.302652729911275  # Student's t: 97.5 % quantile, 2 degrees of freedom


def rows(results):
    return {row.optimizer: row for section in compare(results.root).sections for row in section.rows}


def only_section(results):
    (section,) = compare(results.root).sections
    return section


def test_accuracy_and_error_by_hand(paper_results):
    sgd = rows(paper_results)["sgd"]
    assert sgd.accuracy.mean == pytest.approx(0.88)
    assert sgd.error.mean == pytest.approx(0.12)
    assert sgd.accuracy.half_width == pytest.approx(T_2 * 0.01 / sqrt(3))
    assert sgd.error.half_width == sgd.accuracy.half_width
    assert (sgd.kind, sgd.planned, sgd.finished, sgd.missing) == ("sgd", 3, (0, 1, 2), ())


def test_reductions_by_hand(paper_results):
    table = rows(paper_results)
    # dba against sgd: 10 %, 5 % and 0 %; against adam: -8 %, -23.5 % and -10 %.
    vs_sgd, vs_adam = table["dba"].vs_sgd, table["dba"].vs_adam
    assert (vs_sgd.mean, vs_sgd.n) == (pytest.approx(0.05), 3)
    assert vs_sgd.half_width == pytest.approx(T_2 * 0.05 / sqrt(3))
    assert (vs_adam.mean, vs_adam.n) == (pytest.approx(-0.415 / 3), 3)
    assert table["adam"].vs_sgd.mean == pytest.approx((2 / 12 + 3 / 13 + 1 / 11) / 3)
    assert table["sgd"].vs_adam.mean == pytest.approx(-0.2)
    assert (table["sgd"].vs_sgd, table["adam"].vs_adam) == (None, None)


def test_the_papers_figures(paper_results):
    table = rows(paper_results)
    assert table["dba"].paper_accuracy == pytest.approx(0.9779)
    for baseline in ("sgd", "adam"):
        assert table[baseline].paper_accuracy == pytest.approx(0.8787, abs=5e-5)
    assert table["sgd"].paper_difference == pytest.approx(0.88 - 0.8787, abs=5e-5)


@pytest.mark.parametrize(
    ("optimizer", "change"),
    [
        ("rmsprop", {"optimizer_kind": "rmsprop"}),
        ("dba", {"source": "embedded"}),
        ("dba", {"dataset": "kmnist"}),
    ],
)
def test_the_paper_stands_beside_its_optimizers_on_official_mnist_only(results, optimizer, change):
    results.plan([optimizer], [0], paper=PAPER)
    results.run(optimizer, 0, 1000, **change)
    row = rows(results)[optimizer]
    assert (row.paper, row.paper_difference) == (None, None)


def test_no_paper_where_it_implies_nothing(results):
    results.plan(["sgd"], [0], paper={**PAPER, "error_reduction": 100.0})
    results.run("sgd", 0, 1000)
    assert rows(results)["sgd"].paper_accuracy is None


def test_diverged_runs_are_in_no_figure_and_are_said(results):
    results.plan(["sgd", "dba"], range(3))
    results.runs("sgd", [1000, 1000, 1000])
    results.runs("dba", [500, None, 500])
    dba = rows(results)["dba"]
    assert (dba.finished, dba.diverged, dba.missing) == ((0, 2), (1,), ())
    assert dba.accuracy.mean == pytest.approx(0.95)
    assert (dba.vs_sgd.mean, dba.vs_sgd.n) == (pytest.approx(0.5), 2)
    assert dba.notes == ("seed 1 diverged at step 7: in no figure",)


def test_all_diverged(results):
    results.plan(["sgd", "dba"], [0])
    results.runs("sgd", [1000])
    results.runs("dba", [None], diverged_at_step=None)
    dba = rows(results)["dba"]
    assert (dba.accuracy, dba.error, dba.vs_sgd, dba.paper_difference) == (None, None, None, None)
    assert dba.notes == ("seed 0 diverged: in no figure",)


@pytest.mark.parametrize(
    ("sgd", "dba", "reduction", "notes"),
    [
        (
            {0: 1000, 1: 1000},
            {1: 900, 2: 1, 3: 1},
            Estimate(pytest.approx(0.1), None, 1),
            ("seed 0 missing", "vs SGD over 1 of 3 finished seeds"),
        ),
        ({0: 1000}, {1: 900}, None, ("seed 0 missing", "vs SGD over 0 of 1 finished seeds")),
        ({0: 1000, 1: 0}, {0: 900, 1: 0}, None, ("vs SGD undefined: sgd makes no error with seed 1",)),
    ],
    ids=["some pairs", "no pairs", "no errors"],
)
def test_pairs_are_the_seeds_that_both_have(results, sgd, dba, reduction, notes):
    results.plan(["sgd", "dba"], sorted(sgd | dba))
    for optimizer, runs in (("sgd", sgd), ("dba", dba)):
        for seed, errors in runs.items():
            results.run(optimizer, seed, errors)
    row = rows(results)["dba"]
    assert (row.vs_sgd, row.notes) == (reduction, notes)


def test_what_holds_of_several_rows_is_said_once(results):
    results.plan(["sgd", "adam", "dba"], [0])
    for optimizer in ("sgd", "adam", "dba"):
        results.run(optimizer, 0, 0)
    lines = render(compare(results.root), "markdown").splitlines()
    assert [line for line in lines if "undefined" in line] == [
        "- SGD, DBA: vs Adam undefined: adam makes no error with seed 0",
        "- Adam, DBA: vs SGD undefined: sgd makes no error with seed 0",
    ]


def test_a_seed_that_drew_other_images_is_no_pair(results):
    results.plan(["sgd", "dba"], [0, 1])
    results.runs("sgd", [1000, 1000])
    results.run("dba", 0, 900)
    results.run("dba", 1, 1, draw_sha256="0" * 64)
    dba = rows(results)["dba"]
    assert (dba.vs_sgd.mean, dba.vs_sgd.n) == (pytest.approx(0.1), 1)
    assert dba.notes == (
        "seed 1 drew other images than sgd: not paired",
        "vs SGD over 1 of 2 finished seeds",
    )


@pytest.mark.parametrize(
    ("runs", "reductions"),
    [
        ({"momentum": ("sgd", 1000), "dba": ("dba", 900)}, [None, 0.1]),
        ({"momentum": ("sgd", 500), "sgd": ("sgd", 1000), "dba": ("dba", 900)}, [0.5, None, 0.1]),
        ({"sgd": ("dba", 1000), "dba": ("dba", 900)}, [None, None]),
    ],
    ids=["the only one of its kind", "the one named so", "none of another kind"],
)
def test_which_entry_is_the_baseline(results, runs, reductions):
    results.plan(list(runs), [0])
    for name, (kind, errors) in runs.items():
        results.run(name, 0, errors, optimizer_kind=kind)
    found = [row.vs_sgd and row.vs_sgd.mean for row in only_section(results).rows]
    assert found == pytest.approx(reductions)


def test_several_entries_of_a_kind_and_none_named_so_is_said(results):
    results.plan(["a", "b", "dba"], [0])
    for optimizer in ("a", "b"):
        results.run(optimizer, 0, 1000, optimizer_kind="adam")
    results.run("dba", 0, 900)
    section = only_section(results)
    assert all(row.vs_adam is None for row in section.rows)
    assert section.notes == (
        "no baseline for vs Adam: several entries of kind adam, none of them named 'adam'",
    )


@pytest.mark.parametrize("stale", ["sgd", "dba"])
def test_runs_of_another_config_are_not_compared(results, stale):
    results.plan(["sgd", "dba"], [0], paper=PAPER)
    for optimizer in ("sgd", "dba"):
        results.run(optimizer, 0, 1000, **({"config_hash": "f" * 64} if optimizer == stale else {}))
    section = only_section(results)
    assert all(row.vs_sgd is None for row in section.rows)
    (old,) = [row for row in section.rows if not row.current]
    assert (old.optimizer, old.planned, old.paper) == (stale, None, None)
    assert old.accuracy.mean == pytest.approx(0.9)


def test_an_optimizer_that_is_not_in_the_plan_is_marked(results):
    results.plan(["sgd"], [0])
    results.run("sgd", 0, 1000)
    results.run("dba", 0, 900)
    dba = rows(results)["dba"]
    assert (dba.current, dba.planned, dba.vs_sgd) == (False, None, None)
    assert dba.notes == ("not in the experiment's plan: not compared",)


def test_seeds_outside_the_plan_are_in_no_figure(results):
    results.plan(["sgd"], [0, 1])
    results.runs("sgd", [1000, 1000, 1, None])
    sgd = rows(results)["sgd"]
    assert (sgd.finished, sgd.diverged, sgd.accuracy.mean) == ((0, 1), (), pytest.approx(0.9))
    assert sgd.notes == ("seeds 2-3 not in the plan: in no figure",)


# --- Tables --------------------------------------------------------------------------------------


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
    dba = rows(results)["dba"]
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


@pytest.mark.parametrize(
    ("seeds", "errors", "said"),
    [
        (2, [1000, 1100], []),
        (2, [1000, None], []),
        (5, [1000, None], ["exp: sgd: 2 of 5 runs recorded, seeds 2-4 missing"]),
    ],
)
def test_incomplete_is_what_was_never_recorded(results, seeds, errors, said):
    results.plan(["sgd"], range(seeds))
    results.runs("sgd", errors)
    assert compare(results.root).incomplete == said


def test_the_notice_of_the_runs_is_the_sections(results):
    results.plan(["sgd"], [0, 1])
    results.runs("sgd", [1000, 1100], source="embedded", notice="NOT OFFICIAL")
    assert only_section(results).notice == "NOT OFFICIAL"


@pytest.mark.parametrize(
    ("call", "unneeded"),
    [
        ("comparison.print_tables(tables)", {"torch", "pandas"}),
        ("[comparison.render(tables, name) for name in comparison.FORMATS]", {"torch"}),
    ],
)
def test_no_output_waits_for_what_it_does_not_need(paper_results, call, unneeded):
    code = f"""
import sys
from pathlib import Path
from dba_cli import comparison
tables = comparison.compare(Path(sys.argv[1]))
{call}
sys.exit(bool({unneeded} & sys.modules.keys()))
"""
    subprocess.run([sys.executable, "-c", code, paper_results.root], check=True, stdout=subprocess.DEVNULL)
