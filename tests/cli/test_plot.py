"""`dba plot` through the entry point, on runs that end in a second."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dba_cli.records import trace_arrays, write_arrays


def stems(answer) -> list[str]:
    return [Path(line).stem for line in answer.out.splitlines()]


def test_everything_is_drawn_and_named(recorded):
    answer = recorded("plot", "--format", "png", "--output", "pictures")
    assert (answer.code, answer.err) == (0, "")
    assert " ".join(stems(answer)) == (
        "tiny-curves-steps tiny-curves-samples tiny-curves-seconds tiny-targets tiny-fractions "
        "tiny-drawn-seed-0 tiny-choices-dba-seed-0 tiny-chosen-dba-seed-0 tiny-disagreements-dba-sgd-seed-0 "
        "tiny-disagreements-dba-adam-seed-0 tiny-confusion ladder"
    )
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


@pytest.mark.parametrize(
    ("gone", "kind", "why"),
    [
        ("dba/*/result.json", "fractions", "no finished run that selects samples"),
        ("dba/*/result.json", "choices", "no finished run that selects samples"),
        ("[ad]*/*/predictions.npz", "disagreements", "predictions of two optimizers are needed"),
    ],
)
def test_what_a_kind_lacks(recorded, gone, kind, why):
    for path in Path("results/tiny").glob(gone):
        path.unlink()
    assert f"--kind {kind}: tiny: {why}" in recorded("plot", "--kind", kind).refused()


def test_overlay_names_experiments_and_optimizers_can_be_picked(recorded, config):
    other = config.with_name("other.yaml")
    other.write_text(config.read_text().replace("name: tiny", "name: other"))
    recorded("run", other, "--quiet", "--seed", 0)
    answer = recorded("plot", "--kind", "overlay", "--optimizer", "dba", "--format", "svg")
    assert stems(answer) == ["overlay-steps", "overlay-samples", "overlay-seconds"]
    # Embedded data shares no axis with the official one, as it shares no table.
    reference = Path(__file__).parents[2] / "results/reference/mnist_1pct"
    shutil.copytree(reference, "results/mnist_1pct")
    both = recorded("plot", "--kind", "ladder", "--format", "svg")
    assert stems(both) == ["ladder", "ladder-embedded"]
    drawn = Path("plots/ladder.svg").read_text()
    assert "mnist" in drawn
    assert "NOT comparable" in Path("plots/ladder-embedded.svg").read_text()


@pytest.mark.parametrize("where", ["result.json", "config.yaml"])
def test_official_images_that_are_not_there(recorded, where):
    """The config is in the record; in one of dba-cli 0.1 it is only in the file beside it."""
    for path in Path("results").rglob("result.json"):
        record = json.loads(path.read_text())
        del record["seal"]
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


RUN = Path("results/tiny/dba/seed-0")


def unsealed(path: Path) -> None:
    """Make a record one of dba-cli 0.1, in which nothing says what was changed."""
    record = json.loads(path.read_text())
    del record["seal"]
    path.write_text(json.dumps(record, indent=2))


def no_such_config():
    path = RUN / "result.json"
    record = json.loads(path.read_text())
    record["config"]["data"]["draw"] = {"per_clas": 2}
    path.write_text(json.dumps(record))


def other_draw():
    for path in Path("results/tiny").glob("*/seed-0/result.json"):
        sha = path.read_text().partition('"draw_sha256": "')[2][:64]
        path.write_text(path.read_text().replace(sha, sha[::-1]))


def image_20_of_20():
    arrays = trace_arrays([np.array([3, 20])], {"hidden1": [np.packbits([True, False])]})
    write_arrays(RUN / "trace.npz", arrays)


@pytest.mark.parametrize(
    ("damage", "kind", "parts"),
    [
        (no_such_config, "disagreements", ["result.json: config.data.draw"]),
        (other_draw, "drawn", ["drew other images"]),
        (image_20_of_20, "choices", [f"{RUN / 'trace.npz'}: damaged trace", "the 20 of the draw"]),
        (
            lambda: write_arrays(RUN / "predictions.npz", {"predicted": np.full(4000, 10, dtype=np.uint8)}),
            "confusion",
            [str(RUN / "predictions.npz"), "below 10"],
        ),
        (
            lambda: write_arrays(RUN / "predictions.npz", {"predicted": np.zeros(3, dtype=np.uint8)}),
            "confusion",
            [str(RUN / "predictions.npz")],
        ),
    ],
)
def test_what_cannot_be_of_this_run_is_refused(recorded, damage, kind, parts):
    for path in Path("results/tiny").rglob("result.json"):
        unsealed(path)
    damage()
    line = recorded("plot", "--kind", kind).refused()
    assert [part for part in parts if part not in line] == [], line
    shutil.rmtree(RUN.parent)
    if kind == "confusion":  # of what is left
        assert recorded("plot", "--kind", kind).code == 0
