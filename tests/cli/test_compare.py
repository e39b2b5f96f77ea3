import csv
import io
import json
from pathlib import Path

import pytest


def accuracies(optimizer: str) -> list[float]:
    paths = sorted(Path("results/tiny", optimizer).glob("seed-*/result.json"))
    return [json.loads(path.read_text())["final"]["test_accuracy"] for path in paths]


def test_the_table_on_the_terminal(recorded):
    answer = recorded("compare")
    assert answer.code == 0
    for name in ("sgd", "adam", "dba"):
        row = next(line for line in answer.out.splitlines() if line.startswith(name))
        assert f"{100 * sum(accuracies(name)) / 2:.2f}" in row
        assert "2 of 2" in row


@pytest.mark.parametrize("name", ["table", "markdown", "csv", "latex", "json"])
def test_output_is_what_would_be_printed(recorded, name):
    printed = recorded("compare", "--format", name)
    written = recorded("compare", "--format", name, "--output", f"tables.{name}")
    assert written.out == ""
    text = Path(f"tables.{name}").read_text()
    if name != "table":  # on a terminal a table has the terminal's width, in a file a fixed one
        assert text == printed.out
    assert "dba" in text.lower()


def test_csv_and_json_agree_with_the_records(recorded):
    rows = list(csv.DictReader(io.StringIO(recorded("compare", "--format", "csv").out)))
    section = json.loads(recorded("compare", "--format", "json").out)["sections"][0]
    for flat, nested in zip(rows, section["rows"], strict=True):
        mean = sum(accuracies(flat["optimizer"])) / 2
        assert float(flat["accuracy"]) == pytest.approx(mean)
        assert nested["accuracy"]["mean"] == pytest.approx(mean)


def test_strict_refuses_an_incomplete_experiment(dba, config):
    dba("run", config, "--seed", 0, "--quiet")
    assert dba("compare").code == 0
    assert dba("compare").out.count("1 of 2") == 4  # in each row, and in the caption
    line = dba("compare", "--strict", "--output", "tables.txt").refused()
    assert "tiny" in line
    assert not Path("tables.txt").exists()
