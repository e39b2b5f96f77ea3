from pathlib import Path

import pytest

RUN = Path("results/tiny/dba/seed-0")


def test_a_run_says_everything_of_its_record(recorded):
    answer = recorded("inspect", RUN)
    assert (answer.code, answer.err) == (0, "")
    shown = ("tiny / dba / seed 0", "EMBEDDED SAMPLE", "config hash", "draw sha256", "git revision", "torch")
    for part in (*shown, "kept by hidden1", "result.json"):
        assert part in answer.out
    record = (RUN / "result.json").read_text()
    errors = record.partition('"test_errors": ')[2].partition("\n")[0].rstrip(",")
    assert f"{int(errors):,}" in answer.out


def test_a_config_before_during_and_after(dba, config):
    before = dba("inspect", config)
    assert before.code == 0
    assert "resolved config" in before.out
    assert "min_fraction: 0.25" in before.out  # a default that the file does not give
    assert "model: 6,370 parameters" in before.out  # 784 * 8 + 8 + 8 * 10 + 10
    assert "runs: 6 to do, 0 done" in before.out
    assert "timed steps" in before.out
    assert "Left to do" in before.out
    assert not Path("results").exists()

    dba("run", config, "--seed", 1)
    during = dba("inspect", config)
    assert "runs: 3 to do, 3 done" in during.out
    assert "1 recorded run" in during.out
    assert "timed steps" not in during.out

    dba("run", config)
    after = dba("inspect", config).out
    assert "runs: 0 to do, 6 done" in after
    assert "Nothing left to do" in after


def test_runs_of_another_config_are_named_not_refused(recorded, config):
    answer = recorded("inspect", config, "--set", "training.epochs=7", "--no-time")
    assert "runs: 0 to do, 0 done" in answer.out
    assert "6 finished runs are of another config" in answer.out
    assert "estimated time" not in answer.out


def test_looking_never_downloads(dba, config, monkeypatch):
    monkeypatch.setattr("dba_cli.data._load.download", lambda *_: pytest.fail("a download"))
    answer = dba("inspect", config, "--set", "data.source=auto")
    assert answer.code == 0
    assert "tries the download first" in answer.err


def test_80_columns(recorded, config, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for what in (RUN, config):
        assert max(map(len, recorded("inspect", what, "--no-time").out.splitlines())) <= 80
