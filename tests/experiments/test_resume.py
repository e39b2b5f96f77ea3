"""Runs that are killed at any moment end in the record of a run that was left alone, bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dba_cli.experiments._provenance import git_revision

from . import victims
from .lab import ADAM, DBA, SGD, timeless

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

COMMAND = Path(sys.executable).with_name("dba")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
DEFORMED = {"deformation": {"rotation": 10, "translation": 1}}
STEPS, KILLS = 40, 4

MOMENTUM = {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.001}
ADAM_BASE = {"kind": "adam", "lr": 0.01}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sgd": (SGD, {"trace": True, "schedule": {"kind": "cosine", "warmup_steps": 20}}),
    "momentum": (
        {**MOMENTUM, "name": "momentum"},
        {"schedule": {"kind": "linear"}, "checkpoint": {"steps": 2}, "early_stopping": {"share": 0.3}},
    ),
    "adam": (ADAM, {**DEFORMED, "label_smoothing": 0.1, "input_noise": 0.2, "checkpoint": {"seconds": 0.01}}),
    "dba": (DBA, {"deformation": {"elastic": 1.0, "rotation": 5}, "trace": True, "save_weights": True}),
    "dba_random": (
        {**DBA, "name": "dba_random", "rule": "random", "base": ADAM_BASE, "stratified": True},
        {**DEFORMED, "trace": True, "batch_size": 40},
    ),
}


def written(folder: Path, case: str, **training: Any) -> Path:
    """The config of a case as a file."""
    entry, keys = CASES[case]
    whole = {
        "experiment": {"name": "exp"},
        "data": {"source": "embedded", "draw": {"per_class": 3}},
        "model": {"kind": "mlp", "hidden": [8]},
        "training": {
            "steps": STEPS, "batch_size": 12, "evaluation": {"steps": 20}, "checkpoint": {"steps": 5},
            **keys, **training,
        },
        "optimizers": [entry],
        "seeds": [0],
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return path


def record(results: Path, case: str) -> dict[str, Any]:
    """What a run left, times aside; a state or a lock may outlive a process killed after its result."""
    found = timeless(run_folder(results, case))
    return {
        name: content for name, content in found.items() if not name.startswith(("/checkpoint-", "/.lock"))
    }


class Victims:
    """Runs commands, and kills them on demand."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def __call__(
        self, config: Path, results: Path, after: float | None = None, *, number: int = signal.SIGKILL
    ) -> tuple[int, float, str]:
        """Return the exit code, the seconds that it took, and what was printed."""
        arguments = ["run", str(config), "--results", str(results)]
        job = {"arguments": arguments, "after": after, "signal": int(number), "log": str(self._log)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        printed = self._log.read_text(encoding="utf-8")
        assert "Traceback" not in printed, printed
        return answer["code"], answer["seconds"], printed


@pytest.fixture(scope="module")
def dba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    command = [sys.executable, "-m", "tests.experiments.victims"]
    root = Path(victims.__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Victims(process, tmp_path_factory.mktemp("log") / "log")
        assert process.stdin is not None
        process.stdin.close()


def run_folder(results: Path, case: str) -> Path:
    return results / "exp" / case / "seed-0"


@pytest.mark.parametrize("case", CASES)
def test_killed_at_random_moments_it_ends_in_the_same_record(case: str, dba: Victims, tmp_path: Path) -> None:
    config = written(tmp_path, case)
    code, seconds, _ = dba(config, tmp_path / "alone")
    assert code == 0
    expected = record(tmp_path / "alone", case)
    assert "/result.json" in expected

    moments, kills, resumed = random.Random(), 0, 0
    for attempt in range(30):
        results, code = tmp_path / f"killed-{attempt}", -1
        while code != 0:
            enough = kills >= KILLS and resumed > 0
            code, _, printed = dba(config, results, None if enough else moments.uniform(0, seconds))
            assert code in (0, -signal.SIGKILL), printed
            kills += code != 0
            resumed += "goes on from step" in printed
        assert record(results, case) == expected
        if enough:
            break
    assert kills >= KILLS
    assert resumed  # and not begun anew each time


def following(process: "subprocess.Popen[str]", there: Callable[[], bool]) -> None:
    """Wait until something is there; fail if the process ends before."""
    while not there():
        assert process.poll() is None
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_command_itself_goes_on_where_it_was_stopped(number: int, dba: Victims, tmp_path: Path) -> None:
    """After a checkpoint, and, with Ctrl-C, without any before."""
    checkpoint = {"seconds": 0.1 if number == signal.SIGKILL else 999}
    config = written(tmp_path, "momentum", steps=1500, checkpoint=checkpoint)
    folder = run_folder(tmp_path / "results", "momentum")
    command = [COMMAND, "run", config, "--results", tmp_path / "results"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        wanted = "checkpoint-*.pt" if number == signal.SIGKILL else "history.csv"
        following(process, lambda: any(folder.glob(wanted)))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert not (folder / "result.json").exists()
    assert list(folder.glob("checkpoint-*.pt"))
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on" in err
    code, _, printed = dba(config, tmp_path / "results")
    assert code == 0
    assert "goes on from step" in printed
    dba(config, tmp_path / "alone")
    found, expected = (record(tmp_path / results, "momentum") for results in ("results", "alone"))
    # Two commits made it, and the record says so.
    began, _, ended = found["/result.json"].pop("git_revision").partition(", gone on with at ")
    assert began == str(git_revision())
    assert ended == expected["/result.json"].pop("git_revision") == "0" * 40
    assert found == expected
