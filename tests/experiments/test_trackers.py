"""What trackers are shown: each evaluation of the history, once, also of a run that was stopped."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from dba_cli.errors import UserError
from dba_cli.experiments import Settings, run_experiments

from .lab import DBA, Reporter, config, history, timeless
from .lab import do as do_plain

Shown = dict[str, list[tuple[int, float]]]  # by name: steps and values


def by_tensorboard(run: Path) -> Shown:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    return {name: [(e.step, e.value) for e in board.Scalars(name)] for name in board.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore")
def by_mlflow(run: Path) -> Shown:
    """The one run that is not deleted, as MLflow's own client reads it."""
    from mlflow import MlflowClient

    client = MlflowClient((run.parents[2] / "mlruns").as_uri())
    (experiment,) = (each for each in client.search_experiments() if each.name == "exp")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.data.params["optimizer.base.lr"] == "0.1"
    assert found.info.run_name == "dba seed 0"
    if (run / "result.json").exists():
        assert found.info.status == "FINISHED"
    return {
        name: [(each.step, each.value) for each in client.get_metric_history(found.info.run_id, name)]
        for name in found.data.metrics
    }


def log_entries(content: bytes) -> Iterator[bytes]:
    """The entries of a file in LevelDB's log format, in blocks of 32 KiB, after W&B's own seven bytes."""
    at, entry = 7, b""
    while at < len(content):
        left = -at % 32768
        if 0 < left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        entry += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield entry
            entry = b""


def by_wandb(run: Path) -> Shown:
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    shown = Shown()
    for data in log_entries(file.read_bytes()):
        record = Record.FromString(data)
        row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for name, value in row.items():
            if not name.startswith("_"):
                shown.setdefault(name, []).append((row["_step"], value))
    return shown


TRACKERS: dict[str, tuple[Callable[[Path], Shown], str]] = {
    "tensorboard": (by_tensorboard, "tensorboard"),
    "mlflow": (by_mlflow, "mlflow"),
    "wandb": (by_wandb, "wandb"),
}
NAMES = {
    "test_accuracy": "accuracy/test",
    "test_loss": "loss/test",
    "train_loss": "loss/train",
    "seconds": "time/training seconds",
}


@pytest.fixture(params=TRACKERS)
def tracker(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(TRACKERS[name][1])
    return name


def do(results: Path, *trackers: str, reporter: Reporter | None = None, **training: object) -> None:
    settings = Settings(
        results.parent / "no-data", results, torch.device("cpu"), trackers=trackers, overwrite=not training
    )
    run_experiments([config(DBA, steps=9, **training)], settings, reporter or Reporter())


def expected(run: Path) -> Shown:
    """The same from history.csv; some keep 32 bits of a number."""
    rows = history(run)
    layers = {column: column.replace(".", "/", 1) for column in rows[0] if column.startswith("fraction.")}
    assert len(layers) == 2
    return {
        name: [(int(row["step"]), pytest.approx(float(row[key]), rel=1e-6)) for row in rows if row[key]]
        for key, name in (NAMES | layers).items()
    }


def test_the_history_and_nothing_else_and_the_record_is_that_of_any_run(tmp_path: Path, tracker: str) -> None:
    run = tmp_path / "shown/results/exp/dba/seed-0"
    do(tmp_path / "shown/results", tracker)
    do(tmp_path / "shown/results", tracker)  # once more, in its place
    assert TRACKERS[tracker][0](run) == expected(run)
    do_plain(tmp_path / "plain/results", config(DBA, steps=9))
    found = timeless(tmp_path / "shown/results")
    plain = timeless(tmp_path / "plain/results")
    assert plain.items() <= found.items()
    assert all({"tensorboard", "mlruns", "wandb"} & set(Path(path).parts) for path in found.keys() - plain)


def test_a_run_that_was_stopped_and_goes_on(tmp_path: Path, tracker: str) -> None:
    """What it did after its last state was saved is done again, and not shown twice."""
    results, run = tmp_path / "results", tmp_path / "results/exp/dba/seed-0"

    class Killed(Reporter):
        def step(self, step: int, loss: float) -> None:
            if step == 8:
                raise SystemExit  # saves nothing, like SIGKILL

    def steps(shown: Shown) -> dict[str, list[int]]:
        return {name: [step for step, _ in points] for name, points in shown.items()}

    with pytest.raises(SystemExit):
        do(tmp_path / "results", tracker, reporter=Killed(), checkpoint={"steps": 4})
    assert steps(TRACKERS[tracker][0](run))["loss/test"] == [0, 3, 6]
    if tracker == "mlflow":  # and a power cut has taken the end of one of its files
        (file,) = results.glob("mlruns/*/*/metrics/loss/train")
        os.truncate(file, file.stat().st_size - 9)
    reporter = Reporter()
    do(tmp_path / "results", tracker, reporter=reporter, checkpoint={"steps": 4})
    assert any("goes on from step 4" in line for line in reporter.notices)
    assert steps(TRACKERS[tracker][0](run)) == steps(expected(run))


def test_one_that_cannot_be_written_does_not_end_the_run(tmp_path: Path, tracker: str) -> None:
    results = tmp_path / "results"
    for file in (
        results / "mlruns",
        results / "exp/dba/seed-0/tensorboard",
        results / "exp/dba/seed-0/wandb",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("in the way")
    reporter = Reporter()
    do(results, tracker, reporter=reporter)
    assert [record.status for record in reporter.records] == ["finished"]
    (line,) = (line for line in reporter.notices if "the run goes on" in line)
    assert "cannot be written (" in line


def test_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str) -> None:
    monkeypatch.setitem(sys.modules, TRACKERS[tracker][1], None)
    match = rf"^--tracker {tracker}: .* is not installed; pip install 'dba-cli\[{tracker}\]'$"
    with pytest.raises(UserError, match=match):
        do(tmp_path / "results", tracker)
    with pytest.raises(UserError, match=f"--tracker: unknown tracker .* did you mean '{tracker}'"):
        do(tmp_path / "results", f"{tracker}s")
    assert not (tmp_path / "results").exists()


def test_runs_that_ask_for_none_import_none() -> None:
    code = f"import sys, dba_cli.experiments; sys.exit(bool({set(TRACKERS)} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
