"""What TensorBoard is shown: each evaluation of the history, once, also of a run that was stopped."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dba_cli.errors import UserError
from dba_cli.experiments import Settings, run_experiments

from .lab import DBA, Reporter, config, history, timeless
from .lab import do as do_plain


def do(
    results: Path, *, overwrite: bool = False, reporter: Reporter | None = None, **training: object
) -> None:
    settings = Settings(
        results.parent / "no-data", results, torch.device("cpu"), overwrite=overwrite, tensorboard=True
    )
    run_experiments([config(DBA, steps=9, **training)], settings, reporter or Reporter())


def shown(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars by name: steps and values."""
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    return {name: [(e.step, e.value) for e in board.Scalars(name)] for name in board.Tags()["scalars"]}


NAMES = {
    "test_accuracy": "accuracy/test",
    "test_loss": "loss/test",
    "train_loss": "loss/train",
    "seconds": "time/training seconds",
}


def expected(run: Path) -> dict[str, list[tuple[int, float]]]:
    """The same from history.csv; TensorBoard keeps 32 bits of a number."""
    rows = history(run)
    layers = {column: column.replace(".", "/", 1) for column in rows[0] if column.startswith("fraction.")}
    assert len(layers) == 2
    return {
        name: [(int(row["step"]), pytest.approx(float(row[key]), rel=1e-6)) for row in rows if row[key]]
        for key, name in (NAMES | layers).items()
    }


def test_the_history_and_nothing_else(tmp_path: Path) -> None:
    run = tmp_path / "results/exp/dba/seed-0"
    do(tmp_path / "results")
    assert shown(run) == expected(run)
    do(tmp_path / "results", overwrite=True)
    assert shown(run) == expected(run)


def test_a_run_that_was_stopped_and_goes_on(tmp_path: Path) -> None:
    """What it did after its last state was saved is done again, and not shown twice."""
    run = tmp_path / "results/exp/dba/seed-0"

    class Killed(Reporter):
        def step(self, step: int, loss: float) -> None:
            if step == 8:
                raise SystemExit  # saves nothing, like SIGKILL

    with pytest.raises(SystemExit):
        do(tmp_path / "results", reporter=Killed(), checkpoint={"steps": 4})
    assert [step for step, _ in shown(run)["loss/test"]] == [0, 3, 6]
    reporter = Reporter()
    do(tmp_path / "results", reporter=reporter, checkpoint={"steps": 4})
    assert any("goes on from step 4" in line for line in reporter.notices)
    assert {name: [step for step, _ in points] for name, points in shown(run).items()} == {
        name: [step for step, _ in points] for name, points in expected(run).items()
    }


def test_it_changes_nothing_of_the_record(tmp_path: Path) -> None:
    do_plain(tmp_path / "plain/results", config(DBA, steps=9))
    do(tmp_path / "shown/results")
    found = timeless(tmp_path / "shown/results")
    assert {k: v for k, v in found.items() if "/tensorboard/" not in k} == timeless(
        tmp_path / "plain/results"
    )


def test_a_board_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    run = tmp_path / "results/exp/dba/seed-0"
    (run / "tensorboard").parent.mkdir(parents=True)
    (run / "tensorboard").write_text("in the way")
    reporter = Reporter()
    do(tmp_path / "results", reporter=reporter)
    assert [record.status for record in reporter.records] == ["finished"]
    assert any("tensorboard: cannot be written" in line for line in reporter.notices)


def test_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"^--tensorboard: .* pip install 'dba-cli\[tensorboard\]'$"):
        do(tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_runs_that_do_not_ask_for_it_do_not_import_it() -> None:
    code = "import sys, dba_cli.experiments; sys.exit('tensorboard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
