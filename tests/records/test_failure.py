"""What a failed run leaves."""

from pathlib import Path

from dba_cli.records import FailureRecord, RunFolder

FAILURE = FailureRecord(
    experiment="exp",
    optimizer="dba",
    seed=3,
    config_hash="a" * 64,
    error="ValueError: ü",
    traceback="Traceback\n  one\n",
    git_revision=None,
    failed_at="2026-01-01T00:00:00.000000+00:00",
)


def test_it_reads_back_until_it_is_discarded(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.failure() is None
    run.write_failure(FAILURE)
    assert run.failure() == FAILURE
    assert run.read() is None  # no result
    run.discard()
    assert run.failure() is None


def test_a_damaged_one_says_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_failure(FAILURE)
    path = tmp_path / "failure.json"
    whole = path.read_bytes()
    for end in range(0, len(whole) - 2):
        path.write_bytes(whole[:end])
        assert run.failure() is None
    path.write_bytes(b"\xff\xfe")
    assert run.failure() is None
