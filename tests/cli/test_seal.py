"""Records that cannot be changed unnoticed, by any command that shows a figure."""

import json
from pathlib import Path

import pytest

RUN = Path("results/tiny/dba/seed-1")
COMMANDS = {
    "compare": ["compare", "tiny", "--format", "csv"],
    "run": ["run", "tiny.yaml"],
    "inspect": ["inspect", RUN],
    "plot": ["plot", "--kind", "curves", "--format", "svg"],
    "report": ["report"],
}


def flattered(path: Path) -> None:
    """97.79 %, in both figures that must agree."""
    record = json.loads(path.read_text())
    n = record["data"]["n_test"]
    record["final"]["test_errors"] = round(n * (1 - 0.9779))
    record["final"]["test_accuracy"] = 1 - record["final"]["test_errors"] / n
    path.write_text(json.dumps(record, indent=2))


def cut(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def edited(path: Path) -> None:
    content = path.read_bytes()
    at = len(content) // 2
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


CHANGES = {
    "result.json": flattered,
    "history.csv": cut,
    "config.yaml": edited,
    "trace.npz": edited,
    "predictions.npz": edited,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_is_named(recorded, command, name):
    CHANGES[name](RUN / name)
    line = recorded(*COMMANDS[command]).refused()
    assert line.startswith(f"{RUN / name}: ")


def test_doing_the_run_again_mends_it(recorded):
    edited(RUN / "history.csv")
    (RUN / "result.json").unlink()
    assert "tiny: 1 run to do, 5 already there" in recorded("run", "tiny.yaml").out
    assert recorded("compare", "--strict").code == 0


def old(path: Path) -> dict:
    """A record as dba-cli 0.1 wrote it."""
    record = json.loads(path.read_text())
    del record["seal"]
    path.write_text(json.dumps(record))
    return record


def test_a_record_without_a_seal_is_read_and_marked(recorded):
    old(RUN / "result.json")
    (RUN / "config.yaml").write_text("another")  # what nothing can tell
    assert recorded("compare", "--strict").code == 0
    assert "none: recorded by a version without seals" in recorded("inspect", RUN).out
    assert (
        "unbroken, of config.yaml, history.csv, trace.npz" in recorded("inspect", RUN.with_name("seed-0")).out
    )
    flattered(RUN / "result.json")
    line = recorded("compare").refused()
    assert "final.test_accuracy is 0.97" in line
    assert "the last row of history.csv says" in line


def test_a_cut_history_of_a_record_without_a_seal(recorded):
    step = old(RUN / "result.json")["final"]["step"]
    cut(RUN / "history.csv")
    assert f"has no row of step {step}" in recorded("compare").refused()


def test_a_seal_is_of_values_not_of_spaces(recorded):
    path = RUN / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")))
    assert recorded("compare").code == 0
