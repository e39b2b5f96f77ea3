"""One job, whatever another process does with the same run."""

import math
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dba_cli.experiments import Images, PlannedRun, _worker
from dba_cli.experiments._plan import Ended
from dba_cli.experiments._threads import chosen_threads, step_operations, threads_of_state
from dba_cli.experiments._worker import failure_of, work, work_and_tell
from dba_cli.records import locked
from dba_cli.training import Observer

from .lab import SGD, config, do, planned, session_of


def worked(run: PlannedRun, watch: Callable[[], Observer] = Observer, **options: bool) -> Ended:
    """Do the run as a worker in this process."""
    session = session_of(run.folder.path.parents[2])
    return work(run, session, Images(session.settings.data_dir), watch, **options)


def never() -> Observer:
    raise AssertionError("trained")


def test_a_run_in_the_hands_of_another_process_is_left_to_it(run: PlannedRun) -> None:
    with locked(run.folder.path):
        assert worked(run, never) == Ended(1, elsewhere=True)


def test_who_waits_takes_the_record_of_the_other(run: PlannedRun, tmp_path: Path) -> None:
    with locked(run.folder.path):
        waiting: list[Ended] = []
        thread = threading.Thread(target=lambda: waiting.append(worked(run, never, wait=True)))
        thread.start()
        other = worked(planned(tmp_path / "beside", config(SGD))[0])
        assert other.record is not None
        for name in ("config.yaml", "history.csv", "result.json"):
            content = (tmp_path / "beside/exp/sgd/seed-0" / name).read_bytes()
            (run.folder.path / name).write_bytes(content)
    thread.join(30)
    assert waiting == [Ended(1, record=other.record, elsewhere=True)]


def test_an_old_record_that_is_to_be_replaced_is_no_other_process(tmp_path: Path) -> None:
    do(tmp_path, config(SGD))
    end = worked(planned(tmp_path, config(SGD), overwrite=True)[0])
    assert end.record is not None
    assert not end.elsewhere


def test_a_record_of_another_config_is_not_overwritten(run: PlannedRun, tmp_path: Path) -> None:
    do(tmp_path, config({**SGD, "lr": 0.7}))
    before = run.folder.result_file.read_bytes()
    end = worked(run, never)
    assert end.failure is not None
    assert "another process did a run of another config here" in end.failure.error
    assert run.folder.result_file.read_bytes() == before
    assert not (run.folder.path / "failure.json").exists()


def test_a_failure_of_another_process_stands(run: PlannedRun, tmp_path: Path) -> None:
    failure = failure_of(run, ValueError("theirs"), None)
    run.folder.write_failure(failure)
    assert worked(run, never) == Ended(1, failure=failure, elsewhere=True)


def test_a_folder_that_cannot_be_locked_fails_that_run_alone(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "sgd").write_text("in the way")
    end = worked(planned(tmp_path, config(SGD))[0], never)
    assert end.failure is not None
    assert "cannot be locked" in end.failure.error


def test_a_small_network_has_one_thread_however_many_there_are(run: PlannedRun) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        end = worked(run)
        assert torch.get_num_threads() == 2  # as the process had it
    finally:
        torch.set_num_threads(before)
    assert end.record is not None
    assert end.record.device.threads == 1


def test_images_of_another_command_are_forgotten(tmp_path: Path) -> None:
    for name in ("a", "b"):
        session = session_of(tmp_path / name)
        session.desk.mkdir(parents=True)
        assert work_and_tell(planned(tmp_path / name, config(SGD))[0], session, wait=False).record is not None
    assert _worker._images_here.cache_info().currsize == 1


@pytest.mark.parametrize(
    ("operations", "most", "load", "chosen"),
    [(1e6, 8, 0.0, 1), (1e10, 8, 0.0, 8), (1e10, 8, 2.6, 5), (1e10, 2, 3.0, 1), (math.inf, 4, 100.0, 1)],
)
def test_threads_by_the_networks_size_and_the_machines_load(
    operations: float, most: int, load: float, chosen: int
) -> None:
    assert chosen_threads(operations, most, load) == chosen


def test_the_operations_of_a_step_by_hand(tmp_path: Path) -> None:
    what = config(SGD, hidden=(16,)).narrowed("sgd", 0, "embedded")
    by_hand = 3 * 2 * 12 * (784 * 16 + 16 * 10)  # three products of two operations, for twelve images
    assert step_operations(what, Images(tmp_path).of(what.data)) == by_hand


def test_a_stopped_run_keeps_its_threads(run: PlannedRun) -> None:
    here = "cpu, a processor, {} threads"
    assert threads_of_state(run.folder, run.hash, here.format(1), 4) is None
    run.folder.path.mkdir(parents=True)
    run.folder.checkpoint_file(run.hash, here.format(3)).touch()
    assert threads_of_state(run.folder, run.hash, here.format(1), 4) == 3
    assert threads_of_state(run.folder, "0" * 64, here.format(1), 4) is None
