"""`dba plot` through the entry point, on runs that end in a second."""

import json
import shutil
from pathlib import Path

import pytest


def stems(answer) -> list[str]:
    return [Path(line).stem for line in answer.out.splitlines()]


def test_everything_is_drawn_and_named(recorded):
    answer = recorded("plot", "--format", "png", "--output", "pictures")
    assert (answer.code, answer.err) == (0, "")
    assert stems(answer) == [
        "tiny-curves-steps",
        "tiny-curves-samples",
        "tiny-curves-seconds",
        "tiny-targets",
        "tiny-fractions",
        "tiny-drawn-seed-0",
        "tiny-choices-dba-seed-0",
        "tiny-chosen-dba-seed-0",
        "tiny-disagreements-dba-sgd-seed-0",
        "tiny-disagreements-dba-adam-seed-0",
        "tiny-confusion",
        "ladder",
    ]
    for line in answer.out.splitlines():
        assert Path(line).read_bytes().startswith(b"\x89PNG")


def test_without_a_trace_it_says_what_is_missing(recorded):
    for path in Path("results").rglob("*.npz"):
        path.unlink()
    answer = recorded("plot", "--format", "svg")
    assert answer.code == 0
    assert "tiny-drawn-seed-0" in stems(answer)
    (line,) = answer.err.splitlines()
    assert line.startswith("dba: choices, chosen, disagreements, confusion: not made: tiny: ")
    assert "training.trace: true" in line
    assert "training.trace: true" in recorded("plot", "--kind", "chosen").refused()


def test_overlay_names_experiments_and_optimizers_can_be_picked(recorded, config):
    other = config.with_name("other.yaml")
    other.write_text(config.read_text().replace("name: tiny", "name: other"))
    recorded("run", other, "--quiet", "--seed", 0)
    answer = recorded("plot", "--kind", "overlay", "--optimizer", "dba", "--format", "svg")
    assert stems(answer) == ["overlay-steps", "overlay-samples", "overlay-seconds"]


@pytest.mark.parametrize("where", ["result.json", "config.yaml"])
def test_official_images_that_are_not_there(recorded, where):
    """The config is in the record; in one of dba-cli 0.1 it is only in the file beside it."""
    for path in Path("results").rglob("result.json"):
        record = json.loads(path.read_text())
        if where == "result.json":
            record["config"]["data"]["source"] = "official"
            path.with_name("config.yaml").unlink()
        else:
            del record["config"]
            config = path.with_name("config.yaml")
            config.write_text(config.read_text().replace("source: embedded", "source: official"))
        path.write_text(json.dumps(record))
    answer = recorded("plot", "--kind", "curves", "--format", "png")
    assert answer.code == 0
    line = recorded("plot", "--kind", "drawn").refused()
    assert "not in data" in line
    assert "dba data fetch" in line


def test_a_record_with_a_config_that_is_none(recorded):
    path = Path("results/tiny/dba/seed-0/result.json")
    path.write_text(path.read_text().replace('"hidden"', '"hiden"'))
    line = recorded("plot", "--kind", "disagreements").refused()
    assert "result.json: damaged record: config.model" in line


def test_a_trace_or_predictions_that_cannot_be_of_this_run(recorded):
    import numpy as np

    from dba_cli.records import TraceWriter, write_predictions

    folder = Path("results/tiny/dba/seed-0")
    writer = TraceWriter()
    writer.add(np.array([3, 20]), {"hidden1": np.array([True, False])})  # of 20 images
    writer.write(folder / "trace.npz")
    line = recorded("plot", "--kind", "choices").refused()
    assert f"{folder / 'trace.npz'}: damaged trace" in line
    assert "the 20 of the draw" in line
    write_predictions(folder / "predictions.npz", np.full(4000, 10, dtype=np.uint8))
    assert "below 10" in recorded("plot", "--kind", "confusion").refused()


def test_a_draw_that_has_changed_is_not_shown_as_the_runs_own(recorded):
    path = Path("results/tiny/sgd/seed-0/result.json")
    text = path.read_text()
    sha = text.partition('"draw_sha256": "')[2][:64]
    for record in Path("results/tiny").glob("*/seed-0/result.json"):
        record.write_text(record.read_text().replace(sha, sha[::-1]))
    assert "drew other images" in recorded("plot", "--kind", "drawn").refused()


def test_predictions_of_other_images_are_refused(recorded):
    import numpy as np

    from dba_cli.records import write_predictions

    path = Path("results/tiny/dba/seed-0/predictions.npz")
    write_predictions(path, np.zeros(3, dtype=np.uint8))
    assert str(path) in recorded("plot", "--kind", "confusion").refused()
    shutil.rmtree(path.parent)
    assert recorded("plot", "--kind", "confusion").code == 0
