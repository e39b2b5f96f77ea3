"""The installed command itself, in processes of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
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


def finished(folder: Path) -> set[tuple[str, ...]]:
    return {path.parts[-4:-1] for path in folder.glob("*/*/*/result.json")}


def started(folder: Path, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job ignores Ctrl-C, and so would whatever it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "OMP_NUM_THREADS": "1",
        },
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_smoke_config_from_training_on_a_terminal_to_the_table(tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "run", "smoke", "--results", tmp_path, "--data", tmp_path / "none"],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"},
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 100
    with suppress(OSError):  # the other end is closed
        while time.monotonic() < deadline and (chunk := os.read(master, 65536)):
            shown += chunk
    os.close(master)
    assert process.wait(timeout=60) == 0
    text = shown.decode(errors="replace")
    assert "\x1b[" in text  # drawn live, not as log lines
    for part in ("smoke [1/6] sgd seed 0", "epoch", "loss", "test accuracy", "smoke [6/6] dba seed 1"):
        assert part in text
    assert "not comparable" in re.sub(r"(\x1b\[[0-9;?]*[A-Za-z]|\s)+", " ", text).lower()
    records = {path.parts[-3:-1]: json.loads(path.read_text()) for path in tmp_path.glob("smoke/*/*/*.json")}
    assert set(records) == {(name, f"seed-{k}") for name in ("sgd", "adam", "dba") for k in (0, 1)}
    assert all(record["data"]["source"] == "embedded" for record in records.values())

    table = run("compare", "smoke", "--strict", "--format", "json", "--results", tmp_path)
    assert table.returncode == 0, table.stderr
    rows = json.loads(table.stdout)["sections"][0]["rows"]
    for row in rows:
        errors = [records[row["optimizer"], f"seed-{k}"]["final"]["test_errors"] for k in (0, 1)]
        assert row["accuracy"]["mean"] == pytest.approx(1 - sum(errors) / 2 / 4000)
    assert len(rows) == 3


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dba_cli", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"dba {__version__}\n")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["sweep", "--help"]])
def test_the_help_waits_for_nothing(words: list[str]) -> None:
    code = (
        f"import sys\nfrom dba_cli.cli import main\ntry:\n    main({words})\n"
        "finally:\n    print({'torch', 'pandas', 'matplotlib', 'yaml', 'dba_cli.records'} & set(sys.modules))"
    )
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.endswith("set()\n")
    assert "Examples" in done.stdout
    # 0.1 s on an idle machine; ten times as much where others are at work or coverage is measured.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_records_and_the_door_wait_for_no_torch() -> None:
    code = "import dba_cli, sys\nfrom dba_cli import inspection\ndir(dba_cli), dba_cli.UserError"
    words = [sys.executable, "-c", f"{code}\nprint('torch' in sys.modules)"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr


def test_a_stdout_without_unicode_is_no_traceback() -> None:
    done = run("compare", "--results", ROOT / "results/reference", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mnist_1pct" in done.stdout


def test_shell_completion_is_offered() -> None:
    done = run(_DBA_COMPLETE="complete_bash", COMP_WORDS="dba ", COMP_CWORD="1")
    assert {"run", "compare", "data"} <= set(done.stdout.split())


def test_two_processes_never_do_a_run_twice(config, tmp_path):
    # Each waits in the import of this module until the other is there too.
    (tmp_path / "own_start.py").write_text(
        "import os, time\nfrom pathlib import Path\nfrom dba_cli import register_metric\n"
        "Path(f'{os.getpid()}.here').touch()\nend = time.monotonic() + 60\n"
        "while len(list(Path().glob('*.here'))) < 2 and time.monotonic() < end:\n    time.sleep(0.01)\n\n\n"
        "@register_metric('plain', larger_is_better=False)\ndef plain(s):\n    return s.variance\n"
    )
    grid = [
        "--grid", "optimizers.dba.metric=own_start:plain", "--grid", "training.epochs=50,51,52",
    ]  # fmt: skip
    both = [started(tmp_path, "sweep", config, *grid) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    done = [
        {
            line.split(":")[0].split("] ")[1] + line.split(" [")[0]
            for line in out.splitlines()
            if " accuracy" in line and " s" in line.partition("(")[2]
        }
        for out, _ in outputs
    ]
    assert done[0]
    assert done[1]
    assert not done[0] & done[1]
    assert len(done[0] | done[1]) == 3 * 3 * 2 == len(finished(tmp_path / "results/tiny_sweep"))
    assert not list((tmp_path / "results").rglob(".*"))


@pytest.mark.parametrize("jobs", [(), ("--jobs", 2)])
def test_ctrl_c_is_heard_and_keeps_what_is_done(config: Path, tmp_path: Path, jobs: tuple[str, ...]) -> None:
    grid = ["--grid", "training.epochs=2,100000", "--optimizer", "sgd", *(["--seed", "0"] if jobs else [])]
    process = started(tmp_path, "sweep", config, *grid, *jobs)
    assert process.stdout is not None
    # Two processes begin with the longest run, and one of them ends the short one; one process does it first.
    while "runs over" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: to every process of the command
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "the same command goes on" in err
    deadline = time.monotonic() + 20
    while True:  # no worker is left in the group
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not list((tmp_path / "results").rglob(".*"))
    assert list((tmp_path / "results").rglob("checkpoint-*.pt")) or not jobs
    assert {run[0].partition("-")[2][:2] for run in finished(tmp_path / "results/tiny_sweep")} == {"2-"}


def test_a_closed_pipe_is_no_traceback(config: Path, tmp_path: Path) -> None:
    process = started(tmp_path, "run", config)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
