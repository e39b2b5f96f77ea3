"""The formats: a golden file of each, of results with everything in them, and what holds of any results."""

import csv
import io
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dba_cli.comparison import FORMATS, Comparison, compare, frame, ranges, render
from dba_cli.comparison._export import _latex, _markdown
from dba_cli.errors import UserError
from dba_cli.records import PointRecord, SweepRecord, add_to_sweep

from .conftest import PAPER


def config(name, **settings):
    return {"optimizers": [{"name": name, **settings}], "model": {"hidden": [100]}}


@pytest.fixture
def everything(results):
    """Results with every mark, note, rounding and sign that a table has; two are points of a sweep."""
    results.plan(["sgd", "adam", "dba", "momentum", "unrun"], name="mnist_1pct", paper=PAPER)
    for name, errors in {
        "sgd": [1200, 1300, 1100],
        "adam": [1000, 1000, 1000],
        "dba": [1080, 1235, None],
        "momentum": [2024, 2025],  # rounded apart, 79.755 % and 20.245 % would not make 100 %
    }.items():
        kind = {"momentum": "sgd"}.get(name, name)
        results.runs(name, errors, experiment="mnist_1pct", optimizer_kind=kind, config=config(name, lr=0.1))
    results.run("dba", 7, 900, experiment="mnist_1pct", config_hash="f" * 64)
    results.run("extra|_*", 0, 900, experiment="mnist_1pct", optimizer_kind="sgd")

    # No sign before what is rounded to zero, and no interval of a single seed.
    results.plan(["sgd", "dba"], [0], name="level", paper={"test_accuracy": 49.99, "error_reduction": 0.0})
    results.run("sgd", 0, 5000, experiment="level", config=config("sgd", lr=0.2, nesterov=True))
    results.run("dba", 0, 5001, experiment="level")

    results.plan(["1e3", "nan"], [0, 1, 2, 4], name="other data")
    results.run(
        "1e3",
        1,
        400,
        experiment="other data",
        optimizer_kind="sgd",
        protocol="selected draw",
        dataset="fashion_mnist",
        source="embedded",
        draw={"per_class": 10, "by": "facility_location"},
        n_test=4000,
        notice=r"NOT <official>, 100% \ \"quoted\"",
    )
    results.plan(["sgd"], [0], name="own data")
    own = {"dataset": "mine:circles", "title": "Circles", "draw": {"per_class": 2, "later": 3}}
    results.run("sgd", 0, 900, experiment="own data", copies_errors=850, **own)
    results.plan(["sgd"], [0], name="unrun")
    values = {"model.hidden": [8], "optimizers.dba.order": "norm"}
    points = [PointRecord(name="level", values=values), PointRecord(name="unrun", values={"seeds": 1})]
    add_to_sweep(results.root, SweepRecord(experiment="exp", points=points))
    return results


@pytest.mark.parametrize("format_name", FORMATS)
def test_everything(everything, golden, format_name):
    golden(f"everything.{format_name}", render(compare(everything.root), format_name))


def test_unknown_format_names_the_nearest(paper_results):
    with pytest.raises(UserError, match="no format 'latx'; did you mean 'latex'"):
        render(compare(paper_results.root), "latx")


@pytest.mark.parametrize("format_name", ["markdown", "latex"])
@pytest.mark.parametrize("name", ["1e3", "007", "1.50", "0x10", "nan", "None"])
def test_a_name_that_looks_like_a_number_stays_as_it_is(results, format_name, name):
    results.plan([name], [0])
    results.run(name, 0, 1000, optimizer_kind="sgd")
    text = render(compare(results.root), format_name)
    assert f" {name} (SGD) " in " " + text.replace("\n", " ")


@given(st.text())
def test_markdown_gives_the_text_back_and_never_ends_a_cell(text):
    escaped = _markdown(text)
    assert re.sub(r"\\(.)", r"\1", escaped) == " ".join(text.split())
    assert not re.search(r"(?<!\\)(\\\\)*\|", escaped)
    assert len(escaped.splitlines()) <= 1


@given(st.text())
def test_latex_leaves_nothing_active(text):
    commands = r"\\text[a-z]+\{\}|\\[&%$#_{}]|\$\\pm\$"
    assert not re.search(r"[\\&%$#_{}~^<>|\"±]", re.sub(commands, "", _latex(text)))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX")
def test_latex_compiles_and_keeps_to_the_width_of_an_article(everything, tmp_path):
    document = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}%s\\end{document}"
    (tmp_path / "tables.tex").write_text(document % render(compare(everything.root), "latex"))
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    assert "Overfull" not in said.stdout


@given(st.sets(st.integers(0, 60), min_size=1))
def test_ranges_read_back(numbers):
    found = re.findall(r"(\d+)(?:-(\d+))?", ranges(numbers))
    assert {n for low, high in found for n in range(int(low), int(high or low) + 1)} == numbers


# --- The data frame -------------------------------------------------------------------------------


def test_the_frame_by_hand(paper_results):
    table = frame(compare(paper_results.root)).set_index("optimizer")
    assert table["accuracy"].to_dict() == pytest.approx({"sgd": 0.88, "adam": 0.9, "dba": 0.886166667})
    assert table.at["sgd", "accuracy_ci95"] == table.at["sgd", "error_ci95"] == pytest.approx(0.0248413771)
    assert table.at["dba", "reduction_vs_sgd"] == pytest.approx(0.05)
    assert table.at["dba", "paper_difference"] == pytest.approx(0.886166667 - 0.9779)
    assert table["paper_implied"].to_dict() == {"sgd": True, "adam": True, "dba": False}


def test_figures_are_not_rounded(results):
    results.plan(["sgd", "dba"], [0])
    results.run("sgd", 0, 3)
    results.run("dba", 0, 2)
    assert frame(compare(results.root))["reduction_vs_sgd"][1] == 1 - 2 / 3


def test_the_frame_says_what_differs_between_the_rows_of_an_optimizer(results):
    for name, rate, hidden in (("a", 0.1, [100]), ("b", 0.2, [50, 20])):
        results.plan(["sgd", "adam"], [0], name=name)
        of_sgd = {"optimizers": [{"name": "sgd", "lr": rate}], "model": {"hidden": hidden}}
        results.run("sgd", 0, 1000, experiment=name, config=of_sgd)
        results.run("adam", 0, 1000, experiment=name)  # a record of before, without a config
    table = frame(compare(results.root)).set_index(["experiment", "optimizer"])
    assert list(table.columns[-2:]) == ["model.hidden", "optimizer.lr"]
    assert table.loc[("b", "sgd")][-2:].tolist() == ["[50, 20]", 0.2]
    assert table.loc[("a", "adam")][-2:].isna().all()


def test_columns_and_types_do_not_depend_on_the_records(results, paper_results):
    full = frame(compare(paper_results.root))
    results.plan(["sgd"], [0], name="planned")
    planned = frame(compare(results.root, ["planned"]))
    assert planned[["protocol", "draw", "n_train", "kind", "accuracy", "paper_implied"]].isna().all(axis=None)
    for other in (planned, frame(Comparison(()))):
        pd.testing.assert_series_equal(other.dtypes, full.dtypes)


def test_the_csv_reads_back_as_the_frame(paper_results):
    comparison = compare(paper_results.root)
    table = frame(comparison)
    read = pd.read_csv(io.StringIO(render(comparison, "csv"))).astype(table.dtypes)
    # Notes are never missing in the frame, and an empty cell is all that CSV has for both.
    pd.testing.assert_frame_equal(read.fillna({"notes": ""}), table, atol=1e-12, rtol=0)


def test_json_and_csv_have_the_same_figures(everything):
    comparison = compare(everything.root)
    rows = [row for section in json.loads(render(comparison, "json"))["sections"] for row in section["rows"]]
    cells = list(csv.DictReader(io.StringIO(render(comparison, "csv"))))
    for row, cell in zip(rows, cells, strict=True):
        for name in ("accuracy", "error", "reduction_vs_sgd", "reduction_vs_adam"):
            figure = row[name] or {"mean": None, "ci95": None}
            found = [cell[name], cell[f"{name}_ci95"]]
            assert [float(each) if each else None for each in found] == [figure["mean"], figure["ci95"]]
