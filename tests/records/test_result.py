"""What a record may say, and that it reads back as it was written."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dba_cli.errors import UserError
from dba_cli.records import ExperimentRecord, PaperFigures, RunFolder, RunRecord

Data = dict[str, Any]
INF, NAN = float("inf"), float("nan")
MISSING = object()


def spoiled(data: Data, path: str, value: object) -> Data:
    data = deepcopy(data)
    *sections, last = path.split(".")
    target = data
    for step in sections:
        target = target[step]
    if value is MISSING:
        del target[last]
    else:
        target[last] = value
    return data


def test_a_run_reads_back(run_data: Data) -> None:
    record = RunRecord.model_validate(run_data)
    assert json.loads(record.model_dump_json()) == run_data
    assert RunRecord.model_validate(json.loads(record.model_dump_json(indent=2))) == record


def test_what_determines_a_run_by_dotted_key(run_data: Data) -> None:
    assert RunRecord.model_validate(run_data).settings == {
        "data.draw.fraction": 0.01,
        "model.hidden": [100],
        "optimizer.base.lr": 0.1,
    }


def test_a_record_of_before(run_data: Data) -> None:
    """It has no config and no fractions, and may say how many seeds were one computation."""
    old = {**run_data, "stack": 10, "final": {k: v for k, v in run_data["final"].items() if k != "fractions"}}
    del old["config"]
    record = RunRecord.model_validate(old)
    assert (record.config, record.settings) == (None, {})
    assert record.final is not None
    assert (record.final.fractions, record.final.seconds) == ({}, record.durations.training)
    assert "stack" not in record.model_dump()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("final", None),
        ("diverged_at_step", 7),
        ("status", "diverged"),
        ("git_revision", "abc"),
        ("data.notice", "not comparable"),
        ("data.source", "embedded"),
        ("data.draw", {"per_class": 10}),
        ("final.test_accuracy", 0),
        ("final.test_accuracy", 1),
        ("final.train_loss", 0.0),
    ],
)
def test_other_values_read_back_too(run_data: Data, path: str, value: object) -> None:
    data = spoiled(run_data, path, value)
    assert json.loads(RunRecord.model_validate(data).model_dump_json()) == data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status", "running"),
        ("format", 2),
        ("seed", -1),
        ("seed", "3"),
        ("seed", MISSING),
        ("data", None),
        ("data.draw", {"fraction": NAN}),
        ("data.draw_sha256", "0" * 63 + "A"),
        ("data.notice", MISSING),
        ("final", MISSING),
        ("final", {}),
        ("final.step", -1),
        ("final.epoch", INF),
        ("final.train_loss", NAN),
        ("final.train_loss", None),
        ("final.test_loss", -INF),
        ("final.test_accuracy", 1.0000001),
        ("final.test_accuracy", "0.5"),
        ("final.test_errors", None),
        ("config_hash", MISSING),
        ("device.threads", None),
        ("durations.training", NAN),
        ("durations.training", "3"),
        ("durations.training", None),
        ("durations.evaluation", -1.0),
        ("durations.total", INF),
        *((f"{section}extra", 1) for section in ("", "data.", "final.", "device.", "durations.")),
        ("two\nlines", 1),
    ],
)
def test_damage_is_named(tmp_path: Path, run_data: Data, path: str, value: object) -> None:
    file = RunFolder(tmp_path).result_file
    file.write_text(json.dumps(spoiled(run_data, path, value)))
    with pytest.raises(UserError) as caught:
        RunFolder(tmp_path).read()
    line = str(caught.value)
    assert line.isprintable()
    place = line.removeprefix(f"{file}: damaged record: ").partition(": ")[0]
    # A value of a part that is missing, or that the part must have, is named by the part.
    assert place.startswith(path) or path.startswith(place) or place == ascii(path)[1:-1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 2),
        ("description", MISSING),
        ("paper.test_accuracy", NAN),
        ("optimizers.sgd", "short"),
        ("seeds", [0, -1]),
        ("extra", 1),
    ],
)
def test_damage_of_a_plan_is_found(plan_data: Data, path: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ExperimentRecord.model_validate(spoiled(plan_data, path, value))
    assert caught.value.errors()[0]["loc"][0] == path.split(".")[0]


@pytest.mark.parametrize(
    ("accuracy", "reduction", "implied"),
    [
        (97.79, 81.78, 87.87),
        (97.44, 88.07, 78.54),
        (90.0, 0.0, 90.0),
        (100.0, 100.0, None),
        (50.0, 100.0, None),
        (10.0, 90.0, None),
    ],
)
def test_the_accuracy_that_the_papers_figures_imply(
    accuracy: float, reduction: float, implied: float | None
) -> None:
    paper = PaperFigures(test_accuracy=accuracy, error_reduction=reduction)
    assert paper.implied_accuracy == (implied and pytest.approx(implied, abs=5e-3))
