import io

import pandas as pd
import pytest

from dba_cli.comparison import Comparison, compare, frame, render

SETTING = ["protocol", "dataset", "source", "draw", "n_train", "n_test"]


def test_one_row_per_optimizer_and_section(results):
    results.plan(["sgd", "dba"], [0, 1], name="a")
    results.plan(["sgd"], [0], name="b")
    results.run("sgd", 0, 1000, experiment="a")
    results.run("sgd", 1, 1000, experiment="a", protocol="selected draw")
    table = frame(compare(results.root))
    # The planned optimizer without runs stands once, where the plan's runs are.
    assert sorted(zip(table["experiment"], table["optimizer"], strict=True)) == [
        ("a", "dba"),
        ("a", "sgd"),
        ("a", "sgd"),
        ("b", "sgd"),
    ]


def test_figures_are_plain_numbers_in_fractions_of_1(paper_results):
    table = frame(compare(paper_results.root)).set_index("optimizer")
    assert table["accuracy"].to_dict() == pytest.approx({"sgd": 0.88, "adam": 0.9, "dba": 0.886166667})
    assert table["error"].to_dict() == pytest.approx({"sgd": 0.12, "adam": 0.1, "dba": 0.113833333})
    assert table.at["sgd", "accuracy_ci95"] == table.at["sgd", "error_ci95"] == pytest.approx(0.0248413771)
    assert table.at["dba", "reduction_vs_sgd"] == pytest.approx(0.05)
    assert table.at["dba", "reduction_vs_adam"] == pytest.approx(-0.138333333)
    assert table.at["dba", "paper_difference"] == pytest.approx(0.886166667 - 0.9779)
    assert table["paper_implied"].to_dict() == {"sgd": True, "adam": True, "dba": False}
    assert table["reduction_vs_sgd_pairs"].to_dict() == {"sgd": 0, "adam": 3, "dba": 3}
    assert table["draw"].unique().tolist() == ["fraction=0.01"]


def test_figures_are_not_rounded(results):
    results.plan(["sgd", "dba"], [0])
    results.run("sgd", 0, 3)
    results.run("dba", 0, 2)
    comparison = compare(results.root)
    assert frame(comparison)["reduction_vs_sgd"][1] == 1 - 2 / 3
    assert ",0.333333333333," in render(comparison, "csv")


def test_what_is_undefined_is_missing(results):
    results.plan(["sgd"], [0, 1])
    results.run("sgd", 0, 1000)
    results.run("other", 0, 1000)
    sgd, other = frame(compare(results.root)).itertuples()
    assert pd.isna(
        [sgd.accuracy_ci95, sgd.reduction_vs_sgd, sgd.paper_accuracy, sgd.paper_implied, sgd.notice]
    ).all()
    assert (sgd.current, sgd.seeds_planned, sgd.notes) == (True, 2, "seed 1 missing")
    assert other.current is False
    assert pd.isna(other.seeds_planned)


def test_columns_and_types_do_not_depend_on_the_records(results, paper_results):
    full = frame(compare(paper_results.root))
    assert full[SETTING].notna().all(axis=None)
    results.plan(["sgd"], [0], name="planned")
    planned = frame(compare(results.root, ["planned"]))
    assert planned[[*SETTING, "kind", "accuracy", "paper_implied"]].isna().all(axis=None)
    for other in (planned, frame(Comparison(()))):
        pd.testing.assert_series_equal(other.dtypes, full.dtypes)


def test_the_csv_reads_back_as_the_frame(paper_results):
    comparison = compare(paper_results.root)
    table = frame(comparison)
    read = pd.read_csv(io.StringIO(render(comparison, "csv"))).astype(table.dtypes)
    # Notes are never missing in the frame, and an empty cell is all that CSV has for both.
    pd.testing.assert_frame_equal(read.fillna({"notes": ""}), table, atol=1e-12, rtol=0)


def test_csv_of_no_rows_is_its_header():
    assert render(Comparison(()), "csv") == ",".join(frame(Comparison(())).columns) + "\n"
