"""The installed command itself, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from dba_cli import __version__

ROOT = Path(__file__).parents[2]
COMMAND = Path(sysconfig.get_path("scripts")) / "dba"


def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_the_smoke_config_from_training_to_table(tmp_path: Path) -> None:
    done = run("run", ROOT / "configs/smoke.yaml", "--data", tmp_path / "none", "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not comparable" in done.stderr.lower() or "do not compare" in done.stderr.lower()
    records = {
        (path.parts[-3], path.parts[-2]): json.loads(path.read_text())
        for path in tmp_path.glob("smoke/*/seed-*/result.json")
    }
    assert set(records) == {(name, f"seed-{k}") for name in ("sgd", "adam", "dba") for k in (0, 1)}
    assert all(record["data"]["source"] == "embedded" for record in records.values())

    table = run("compare", "smoke", "--strict", "--format", "json", "--results", tmp_path)
    assert table.returncode == 0, table.stderr
    rows = {row["optimizer"]: row for row in json.loads(table.stdout)["sections"][0]["rows"]}
    for name, row in rows.items():
        errors = [records[name, f"seed-{k}"]["final"]["test_errors"] for k in (0, 1)]
        expected = 1 - sum(errors) / 2 / 4000
        assert row["accuracy"]["mean"] == pytest.approx(expected)


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dba_cli", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"dba {__version__}\n")


def test_the_list_of_commands_waits_for_none_of_them() -> None:
    code = (
        "import sys\nfrom dba_cli.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print({'torch', 'pandas', 'matplotlib', 'pydantic', 'yaml'} & set(sys.modules))"
    )
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.endswith("set()\n")
    assert "Train every optimizer and seed that the configs name" in done.stdout
    # 0.1 s on an idle machine; ten times as much where others are at work or coverage is measured.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_compare_does_not_wait_for_torch() -> None:
    code = "import sys, dba_cli.comparison, dba_cli.records\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n"


def test_a_stdout_without_unicode_is_no_traceback() -> None:
    done = run("compare", "--results", ROOT / "results/reference", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mnist_1pct" in done.stdout


def test_shell_completion_is_offered() -> None:
    done = run(_DBA_COMPLETE="complete_bash", COMP_WORDS="dba ", COMP_CWORD="1")
    assert {"run", "compare", "data"} <= set(done.stdout.split())


def test_ctrl_c_ends_with_130_and_keeps_finished_runs(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            COMMAND, "run", ROOT / "configs/smoke.yaml", "--results", tmp_path,
            "--set", "data.source=embedded", "--set", "training.epochs=1000000",
            "--optimizer", "sgd",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "to do" in process.stdout.readline()
    assert "epoch" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "the same command goes on" in err
    assert not list(tmp_path.glob("**/result.json"))
    assert not list(tmp_path.glob("**/*.tmp"))


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [COMMAND, "run", ROOT / "configs/smoke.yaml", "--results", tmp_path, "--set", "data.source=embedded"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_live_display_on_a_terminal(tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "run", ROOT / "configs/smoke.yaml", "--results", tmp_path, "--set", "data.source=embedded"],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"},
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    assert process.wait(timeout=60) == 0
    text = shown.decode(errors="replace")
    assert "\x1b[" in text  # drawn live, not as log lines
    for part in ("smoke [1/6] sgd seed 0", "epoch", "loss", "test accuracy", "smoke [6/6] dba seed 1"):
        assert part in text
