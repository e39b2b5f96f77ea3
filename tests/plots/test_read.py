"""From records to lines: what the tables leave out, the figures leave out."""

from pathlib import Path

import pytest

from dba_cli.errors import UserError
from dba_cli.plots import read_studies, together

REFERENCE = Path(__file__).parents[2] / "results/reference"


def test_a_study_is_the_runs_of_an_experiment() -> None:
    first, second = read_studies(REFERENCE, None)
    assert [first.name, second.name] == ["mnist_10_per_class", "mnist_1pct"]
    assert [line.label for line in second.lines] == [row.optimizer for row in second.rows]
    (dba,) = (line for line in second.lines if line.label == "dba")
    assert ([run.seed for run in dba.runs], dba.planned, dba.diverged) == ([0, 1, 2, 3, 4], 5, [])
    folders = second.folders(second.rows[0])
    assert [seed for seed, _ in folders] == [0, 1, 2, 3, 4]
    record = folders[3][1].read()
    assert record is not None
    assert (record.optimizer, record.seed) == (second.rows[0].optimizer, 3)
    history = second.lines[0].runs[3].history
    assert record.final is not None
    assert history[-1].test_accuracy == pytest.approx(record.final.test_accuracy)


def test_the_title_says_protocol_and_data() -> None:
    (study,) = read_studies(REFERENCE, ["mnist_1pct"])
    name, setting = study.title.split("\n")
    assert name == "mnist_1pct"
    assert "random draw" in setting
    assert "official MNIST" in setting


def test_optimizers_are_picked_and_an_unknown_one_is_named() -> None:
    studies = read_studies(REFERENCE, None, ["dba"])
    assert [[line.label for line in study.lines] for study in studies] == [["dba"], ["dba"]]
    with pytest.raises(UserError, match=r"--optimizer dbo: .*did you mean 'dba'\?"):
        read_studies(REFERENCE, None, ["dbo"])


def test_lines_of_several_experiments_carry_their_names() -> None:
    studies = read_studies(REFERENCE, None)
    labels = [line.label for line in together(studies)]
    assert "mnist_1pct: dba" in labels
    assert len(labels) == len(set(labels)) == 6
    assert [line.label for line in together(studies[:1])] == [line.label for line in studies[0].lines]


def test_no_run_is_a_line(tmp_path: Path) -> None:
    plan = (REFERENCE / "mnist_1pct/experiment.json").read_text()
    (tmp_path / "mnist_1pct").mkdir()
    (tmp_path / "mnist_1pct/experiment.json").write_text(plan)
    with pytest.raises(UserError, match="dba run"):
        read_studies(tmp_path, None)
