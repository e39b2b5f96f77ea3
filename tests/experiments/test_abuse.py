"""Full disks, removed folders, damaged files, edited configs: nothing is lost, and one line says what is."""

import contextlib
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from dba_cli.config import Config
from dba_cli.records import RunFolder

from .lab import ADAM, DBA, EXPLODING, SGD, Reporter, config, do, result, timeless

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

STEPS = 12
EVERY_OTHER = {"steps": STEPS, "trace": True, "checkpoint": {"steps": 2}, "evaluation": {"steps": 4}}


def long(*optimizers: dict[str, Any], **training: Any) -> Config:
    return config(*(optimizers or (DBA,)), **{**EVERY_OTHER, **training})


@dataclass
class At(Reporter):
    """Does something at a step."""

    when: int = 7
    do: Callable[[], None] = lambda: None

    def step(self, step: int, loss: float) -> None:
        if step == self.when:
            self.do()


def stop() -> None:
    raise KeyboardInterrupt


def own(reporter: Reporter) -> list[str]:
    """What was said beside the data's own notice, each a line."""
    lines = [line for line in reporter.notices if "EMBEDDED" not in line]
    assert all("\n" not in line for line in lines)
    return lines


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    do(results, long())
    return timeless(results)


def interrupted(results: Path, whole: Config | None = None, at: int = 7) -> Path:
    """Stop a run with a state on disk; return the state's file."""
    with pytest.raises(KeyboardInterrupt):
        do(results, whole or long(), reporter=At(when=at, do=stop))
    (file,) = (results / "exp").rglob("checkpoint-*.pt")
    return file


def whole_files(folder: Path) -> None:
    """Fail if a file was left half written."""
    assert not list(folder.rglob("*.tmp"))
    for path in folder.rglob("*.json"):
        assert path.read_text().endswith("}\n")


# --- Disks that are full ---------------------------------------------------------------------------


@pytest.mark.skipif(resource is None, reason="no limits on this system")
@pytest.mark.parametrize("limit", [0, 300, 1200, 6000])
def test_files_that_may_not_grow(results: Path, limit: int, expected: dict[str, object]) -> None:
    """As on a full disk, by a limit of the process, which every system lets itself set."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    reporter = At(when=7, do=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1])))
    try:
        records = do(results, long(), reporter=reporter)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    whole_files(results)
    lines = [*own(reporter), *(failure.error for failure in reporter.failures)]
    assert any("cannot be written (File too large)" in line for line in lines)
    assert sum("its state is not saved" in line for line in lines) == 1  # not at every period
    assert len(records) + len(reporter.failures) == 1

    do(results, long(), retry_failed=True)
    assert timeless(results) == expected


# --- Folders and clocks that change under the run --------------------------------------------------


@pytest.mark.parametrize("what", ["", "exp", "exp/dba/seed-0"])
def test_a_results_folder_that_is_removed_while_running(
    results: Path, what: str, expected: dict[str, object]
) -> None:
    reporter = At(when=6, do=lambda: shutil.rmtree(results / what))
    do(results, long(), reporter=reporter)
    assert reporter.failures == []
    assert any("was removed while the run goes on" in line for line in own(reporter))
    assert timeless(results) == expected
    assert do(results, long()) == []


def test_a_clock_that_jumps(
    results: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, object]
) -> None:
    now = [2e9]

    def backwards() -> float:
        now[0] -= 86400
        return now[0]

    monkeypatch.setattr(time, "time", backwards)
    interrupted(results)
    (record,) = do(results, long())
    assert 0 <= record.durations.training <= record.durations.total < 60
    seconds = [float(row["seconds"]) for row in _history(results)]
    assert seconds == sorted(seconds)
    assert timeless(results) == expected
    # A record of the future is a record.
    os.utime(results / "exp/dba/seed-0/result.json", (5e9, 5e9))
    assert do(results, long()) == []


def _history(results: Path) -> list[dict[str, str]]:
    from .lab import history

    return history(results / "exp" / "dba" / "seed-0")


# --- States that are not this run's ----------------------------------------------------------------


def test_a_config_edited_between_stop_and_start(results: Path, tmp_path: Path) -> None:
    other = {**DBA, "metric": "norm"}
    state = interrupted(results)
    reporter = At(when=5, do=stop)
    with pytest.raises(KeyboardInterrupt):
        do(results, long(other), reporter=reporter)
    assert any("another config" in line and "kept" in line for line in own(reporter))
    assert state.exists()
    assert len(list(state.parent.glob("checkpoint-*.pt"))) == 2

    back = Reporter()  # the edit is taken back: nothing was lost
    do(results, long(), reporter=back)
    assert any("goes on from step 7" in line for line in own(back))

    do(tmp_path / "other" / "results", long(other))
    shutil.rmtree(results)
    interrupted(results)
    do(results, long(other))
    assert timeless(results) == timeless(tmp_path / "other" / "results")


def test_another_place_to_compute_on_begins_anew(
    results: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, object]
) -> None:
    from dba_cli.experiments import _provenance

    with monkeypatch.context() as patch:
        patch.setattr(_provenance, "describe_device", lambda device: "another processor")
        interrupted(results)
    reporter = Reporter()
    do(results, long(), reporter=reporter)
    assert any("stopped before with another processor, where it is now" in line for line in own(reporter))
    assert timeless(results) == expected


def test_overwriting_begins_anew(results: Path, expected: dict[str, object]) -> None:
    interrupted(results)
    reporter = Reporter()
    do(results, long(), reporter=reporter, overwrite=True)
    assert own(reporter) == []
    assert timeless(results) == expected


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def pickled(path: Path) -> None:
    torch.save({"format": 1, "state": {"training": contextlib.suppress}}, path)


def of_another_network(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    for name, value in state["state"]["training"]["model"].items():
        state["state"]["training"]["model"][name] = value[:1]
    torch.save(state, path)


def without_a_part(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    del state["state"]["training"]["position"]["since"]
    torch.save(state, path)


def made_by_hand(part: str, value: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        training = state["state"]["training"]
        if part == "step":
            training["position"]["step"] = value
        else:
            training["seconds"] = (value, 0.0)
        torch.save(state, path)

    damage.__name__ = f"{part}_{value}"
    return damage


HAND_MADE = [made_by_hand("step", -1), made_by_hand("step", 10**12), made_by_hand("seconds", float("nan"))]


def no_state_at_all(path: Path) -> None:
    torch.save({"format": 1, "state": 5}, path)


@pytest.mark.parametrize(
    "damage",
    [truncated, pickled, of_another_network, without_a_part, no_state_at_all, *HAND_MADE],
    ids=lambda f: f.__name__,
)
def test_a_state_that_cannot_be_used_begins_anew(
    results: Path, damage: Callable[[Path], None], expected: dict[str, object]
) -> None:
    state = interrupted(results)
    damage(state)
    reporter = Reporter()
    do(results, long(), reporter=reporter)
    (line,) = own(reporter)
    assert line.startswith(f"{state}: no usable checkpoint (")
    assert line.endswith("the run begins anew")
    assert reporter.rows[0].step == 0
    assert timeless(results) == expected


# --- Ends of runs ----------------------------------------------------------------------------------


def test_a_diverging_run_goes_on_to_diverge_where_it_would(results: Path) -> None:
    exploding = {**EXPLODING, "name": "exploding"}
    keys = {"steps": 30, "checkpoint": {"steps": 1}}
    (alone,) = do(results / "alone", long(exploding, **keys))
    interrupted(results / "stopped", long(exploding, **keys), at=5)
    (record,) = do(results / "stopped", long(exploding, **keys))
    assert record.status == "diverged"
    assert record.diverged_at_step == alone.diverged_at_step
    assert timeless(results / "stopped") == timeless(results / "alone")
    assert not list(results.rglob("checkpoint-*"))


@pytest.mark.parametrize("entry", [SGD, ADAM, DBA], ids=lambda entry: entry["name"])
def test_a_record_that_cannot_be_written_does_not_cost_the_training(
    results: Path, entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a run that was saved before is saved too."""

    def full(*arguments: object, **keys: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write", full)
        do(results, long(entry), reporter=Reporter())
    reporter = At(when=1, do=stop)
    (record,) = do(results, long(entry), reporter=reporter, retry_failed=True)
    assert own(reporter) == [f"{results / 'exp' / entry['name'] / 'seed-0'}: goes on from step {STEPS}"]
    assert record.final is not None
    assert math.isfinite(record.final.test_loss)


def test_without_checkpoints_nothing_is_saved(results: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        do(results, long(checkpoint=None), reporter=At(do=stop))
    assert not list(results.rglob("checkpoint-*"))


def test_a_state_left_by_a_process_killed_after_its_last_word_is_removed(results: Path) -> None:
    state = interrupted(results)
    content = state.read_bytes()
    do(results, long())
    state.write_bytes(content)
    assert do(results, long()) == []
    assert not state.exists()
    assert result(state.parent)["status"] == "finished"
