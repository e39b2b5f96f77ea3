"""One job, whatever another process does with the same run."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dba_cli.experiments import _work
from dba_cli.experiments._work import Ended, Job, failure_of, work
from dba_cli.records import locked, write_failure

from .lab import ADAM, SGD, Reporter, config, do, job_of


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_of(tmp_path, config(SGD))


def never() -> Reporter:
    raise AssertionError("trained")


class Quiet(Reporter):
    def step(self, step: int, loss: float) -> None: ...

    def evaluated(self, row: object) -> None: ...


def test_a_run_in_the_hands_of_another_process_is_left_to_it(job: Job) -> None:
    with locked(job.planned.folder.path):
        assert work(job, never) == Ended(1, elsewhere=True)


def test_who_waits_takes_the_record_of_the_other(job: Job, tmp_path: Path) -> None:
    with locked(job.planned.folder.path):
        waiting: list[Ended] = []
        thread = threading.Thread(target=lambda: waiting.append(work(replace(job, wait=True), never)))
        thread.start()
        other = work(job_of(tmp_path / "beside", config(SGD)), Quiet)
        assert other.record is not None
        result = "exp/sgd/seed-0/result.json"
        job.planned.folder.result_file.write_bytes((tmp_path / "beside" / result).read_bytes())
    thread.join(30)
    assert waiting == [Ended(1, record=other.record, elsewhere=True)]


def test_an_old_record_that_is_to_be_replaced_is_no_other_process(tmp_path: Path) -> None:
    do(tmp_path, config(SGD))
    end = work(job_of(tmp_path, config(SGD), overwrite=True), Quiet)
    assert end.record is not None
    assert not end.elsewhere


def test_a_record_of_another_config_is_not_overwritten(job: Job, tmp_path: Path) -> None:
    do(tmp_path, config({**SGD, "lr": 0.7}))
    before = job.planned.folder.result_file.read_bytes()
    end = work(job, never)
    assert end.failure is not None
    assert "another process did a run of another config here" in end.failure.error
    assert job.planned.folder.result_file.read_bytes() == before
    assert not (job.planned.folder.path / "failure.json").exists()


def test_a_failure_of_another_process_stands(job: Job, tmp_path: Path) -> None:
    failure = failure_of(job.planned, ValueError("theirs"), None)
    write_failure(job.planned.folder, failure)
    assert work(job, never) == Ended(1, failure=failure, elsewhere=True)


def test_a_folder_that_cannot_be_locked_fails_that_run_alone(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "sgd").write_text("in the way")
    end = work(job_of(tmp_path, config(SGD)), never)
    assert end.failure is not None
    assert "cannot be locked" in end.failure.error


def test_each_worker_has_one_thread(job: Job) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        end = work(job, Quiet)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert end.record is not None
    assert end.record.device.threads == 1


def test_data_of_another_command_is_forgotten(tmp_path: Path) -> None:
    do(tmp_path / "a", config(SGD))
    do(tmp_path / "b", config(ADAM))
    assert len({key[0] for key in _work._loaded}) == 1
    assert len({key[0] for key in _work._tensors}) == 1
