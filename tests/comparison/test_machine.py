import csv
import io
import json

import pytest

from dba_cli.comparison import compare, render


def csv_rows(results):
    return list(csv.DictReader(io.StringIO(render(compare(results.root), "csv"))))


def test_csv_reads_back(paper_results):
    sgd, adam, dba = csv_rows(paper_results)
    assert [row["optimizer"] for row in (sgd, adam, dba)] == ["sgd", "adam", "dba"]
    assert (dba["protocol"], dba["dataset"], dba["source"]) == ("random draw", "mnist", "official")
    assert (dba["draw"], dba["n_train"], dba["n_test"]) == ("fraction=0.01", "600", "10000")
    assert (dba["seeds_planned"], dba["seeds_finished"], dba["seeds_diverged"]) == ("3", "3", "0")
    assert float(sgd["accuracy"]) == 0.88
    assert float(sgd["accuracy_ci95"]) == pytest.approx(0.0248414, abs=1e-7)
    assert float(sgd["error"]) == 0.12
    assert (sgd["reduction_vs_sgd"], sgd["reduction_vs_sgd_ci95"], sgd["reduction_vs_sgd_pairs"]) == (
        "",
        "",
        "0",
    )
    assert (dba["reduction_vs_sgd"], dba["reduction_vs_sgd_pairs"]) == ("0.05", "3")
    assert (dba["paper_accuracy"], dba["paper_implied"], dba["paper_error_reduction"]) == (
        "0.9779",
        "0",
        "0.8178",
    )
    assert (sgd["paper_implied"], sgd["paper_error_reduction"]) == ("1", "")


def test_csv_columns_do_not_depend_on_the_records(results, paper_results):
    header = render(compare(paper_results.root), "csv").splitlines()[0]
    results.plan(["sgd"], [0], name="another")
    (another,) = compare(results.root, ["another"]).sections
    assert another.setting is None
    assert render(compare(results.root, ["another"]), "csv").splitlines()[0] == header


def test_csv_keeps_names_notes_and_the_notice(results):
    results.plan(["sgd"], [0, 1])
    results.run("sgd", 0, None, source="embedded", notice='not "official", really')
    (row,) = csv_rows(results)
    assert row["notice"] == 'not "official", really'
    assert row["notes"] == "seed 1 missing; seed 0 diverged at step 7: in no figure"
    assert (row["current"], row["accuracy"], row["seeds_missing"]) == ("1", "", "1")


def test_json_reads_back(paper_results):
    content = json.loads(render(compare(paper_results.root), "json"))
    (section,) = content["sections"]
    assert content["incomplete"] == []
    assert section["experiment"] == "exp"
    assert section["setting"] == {
        "protocol": "random draw",
        "dataset": "mnist",
        "source": "official",
        "draw": {"fraction": 0.01},
        "n_train": 600,
        "n_test": 10_000,
    }
    sgd, _, dba = section["rows"]
    assert sgd["accuracy"] == {"mean": 0.88, "ci95": pytest.approx(0.0248414, abs=1e-7), "n": 3}
    assert sgd["reduction_vs_sgd"] is None
    assert sgd["paper"]["implied"] is True
    assert dba["reduction_vs_sgd"]["n"] == 3
    assert dba["paper"] == {
        "accuracy": 0.9779,
        "implied": False,
        "error_reduction": 0.8178,
        "difference": pytest.approx(0.88616666 - 0.9779, abs=1e-6),
    }
    assert (dba["finished"], dba["missing"]) == ([0, 1, 2], [])


def test_json_of_an_experiment_without_runs(results):
    results.plan(["sgd"], [0])
    content = json.loads(render(compare(results.root), "json"))
    (section,) = content["sections"]
    (row,) = section["rows"]
    assert section["setting"] is None
    assert (row["kind"], row["accuracy"], row["paper"], row["missing"]) == (None, None, None, [0])
    assert content["incomplete"] == ["exp: sgd: 0 of 1 runs recorded, seed 0 missing"]
