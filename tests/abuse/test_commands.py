"""`make abuse`: commands that write are killed at any moment, and meet full disks, twins and damaged files.

It takes minutes; the suite has samples of it (``tests/experiments``, ``tests/cli/test_faults.py``).
"""

import functools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from dba_cli.cli import main
from dba_cli.config import load
from dba_cli.errors import UserError
from tests.config.conftest import TINY
from tests.config.test_malformed import changed_text, changed_values
from tests.experiments import victims
from tests.experiments.lab import timeless

KILLS = 20
SMALL = {
    "experiment": {"name": "small"},
    "data": {"source": "embedded", "draw": {"per_class": 3}},
    "model": {"kind": "mlp", "hidden": [8]},
    "training": {"steps": 40, "batch_size": 12, "evaluation": {"steps": 20}, "checkpoint": {"steps": 5}},
    "optimizers": [
        {"name": "sgd", "kind": "sgd", "lr": 0.1},
        {"name": "dba", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}},
    ],
    "seeds": [0, 1],
}
RUN = "results/kept/sgd/seed-0"
COMMANDS = {
    "try": ["try", "digits.npz", "--minutes", "0.2", "--jobs", "1", "--results", "results"],
    "audit": ["audit", "digits.npz", "--results", "results"],
    "tune": ["tune", "small.yaml", "--trials", "5", "--seed", "0"],
    "sweep": ["sweep", "small.yaml", "--grid", "training.batch_size=6,12", "--optimizer", "sgd"],
    "predict": ["predict", RUN, "--output", "results/predictions.csv"],
    "init": ["init", "smoke", "results/mine.yaml"],
    "run": ["run", "small.yaml", "--set", "training.save_weights=true", "--seed", "0"],
    "tracked": [
        *("run", "small.yaml", "--seed", "0", "--optimizer", "sgd"),
        *("--tracker", "tensorboard", "--tracker", "mlflow", "--tracker", "wandb"),
    ],
}
# Times, or another program's: what may differ between a command that was left alone and one that was killed.
OTHERS = re.compile(r"\.lock|checkpoint-.*|.*\.tmp|study\.log|report\.html|state\.pt")
_ROOM = re.compile(r"/[^\s'\"]*/(alone-\w+|killed-\d+|full|cut|shared)(?=/)")
FOREIGN = {"mlruns", "wandb", "tensorboard", "kept"}


@dataclass
class Room:
    """A folder that has what the commands need, and nothing else."""

    folder: Path
    process: "subprocess.Popen[str]"

    def __call__(self, words: list[str], after: float | None = None, limit: int | None = None) -> Any:
        log = self.folder / "log"
        job = {"arguments": words, "after": after, "signal": signal.SIGKILL, "log": str(log), "limit": limit}
        job["folder"] = str(self.folder)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        printed = log.read_text("utf-8")
        assert "Traceback" not in printed, printed
        if answer["code"] == 2:
            assert sum(line.startswith("dba: error: ") for line in printed.splitlines()) == 1, printed
        return answer["code"], answer["seconds"], printed

    def left(self) -> dict[str, object]:
        """What lies in the results, times and the room's own name aside."""
        found = timeless(self.folder / "results")
        return {
            path: _ROOM.sub("ROOM", repr(content))
            for path, content in found.items()
            if not OTHERS.fullmatch(Path(path).name) and not FOREIGN & set(Path(path).parts)
        }


@pytest.fixture(scope="session")
def process() -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "tests.experiments.victims"]
    root = Path(victims.__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root), "COLUMNS": "200"}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as found:
        assert found.stdout is not None
        assert found.stdout.readline() == "ready\n"
        yield found
        assert found.stdin is not None
        found.stdin.close()


@pytest.fixture(scope="session")
def furnished(process: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    drawn = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = (drawn.random((120, 8, 8)) * 90 + 60 * y[:, None, None]).astype(np.uint8)
    np.savez(folder / "digits.npz", x=x, y=y)
    words = ["run", "small.yaml", "--set", "training.save_weights=true", "--set", "experiment.name=kept"]
    assert Room(folder, process)([*words, "--optimizer", "sgd", "--seed", "0"])[0] == 0
    return folder


@pytest.fixture
def room(furnished: Path, process: "subprocess.Popen[str]", tmp_path: Path) -> Callable[[str], Room]:
    def make(name: str) -> Room:
        shutil.copytree(furnished, tmp_path / name)
        return Room(tmp_path / name, process)

    return make


Alone = Callable[[str], tuple[Room, float]]


@pytest.fixture(scope="session")
def alone(furnished: Path, process: "subprocess.Popen[str]") -> Alone:
    """What a command leaves that nobody disturbs, and its seconds."""

    @functools.cache
    def alone(command: str) -> tuple[Room, float]:
        shutil.copytree(furnished, furnished.with_name(f"alone-{command}"))
        undisturbed = Room(furnished.with_name(f"alone-{command}"), process)
        code, seconds, printed = undisturbed(COMMANDS[command])
        assert code == 0, printed
        return undisturbed, seconds

    return alone


def plan_of(undisturbed: Room, other: Room) -> None:
    """The plan of a trial rests on how long a step takes: both have one plan."""
    for file in undisturbed.folder.glob("results/*_try/plan.json"):
        there = other.folder / file.relative_to(undisturbed.folder)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, there)


def whole(folder: Path) -> None:
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    for path in folder.rglob("*.yaml"):
        if "mlruns" not in path.parts and "wandb" not in path.parts:
            yaml.safe_load(path.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_moment(room: Callable[[str], Room], alone: Alone, command: str) -> None:
    undisturbed, seconds = alone(command)
    moments, kills, attempt = random.Random(), 0, 0
    while kills < KILLS:
        attempt += 1
        killed, code = room(f"killed-{attempt}"), -1
        plan_of(undisturbed, killed)
        while code != 0:
            after = None if kills >= KILLS else moments.uniform(0, seconds)
            code, _, printed = killed(COMMANDS[command], after)
            there = command == "init" and code == 2 and "is there already" in printed
            assert there or code in (0, -signal.SIGKILL), printed
            code = 0 if there else code
            kills += code != 0
            whole(killed.folder)
        assert killed.left() == undisturbed.left()
    if command == "tracked":
        assert shown(killed.folder) == shown(undisturbed.folder)


def shown(folder: Path) -> Any:
    from tests.experiments import test_trackers as trackers

    run = folder / "results/small/sgd/seed-0"
    return {
        name: {key: [step for step, _ in points] for key, points in read(run).items()}
        for name, read in (("tensorboard", trackers.by_tensorboard), ("wandb", trackers.by_wandb))
    }


@pytest.mark.parametrize("limit", [0, 400, 3000, 20_000])
@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "tracked"])
def test_a_full_disk(room: Callable[[str], Room], alone: Alone, command: str, limit: int) -> None:
    undisturbed, _ = alone(command)
    full = room("full")
    plan_of(undisturbed, full)
    code, _, printed = full(COMMANDS[command], limit=limit)
    assert code in (0, 1, 2), printed
    if code:
        assert "File too large" in printed, printed
    whole(full.folder)
    assert not list(full.folder.rglob("*.tmp"))
    again = [*COMMANDS[command], "--retry-failed"] if command in ("try", "tune", "sweep", "run") else None
    code, _, printed = full(again or COMMANDS[command])
    assert code == 0 or "is there already" in printed, printed
    assert full.left() == undisturbed.left()


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("try", "tracked")])
def test_two_at_once(room: Callable[[str], Room], alone: Alone, command: str) -> None:
    undisturbed, _ = alone(command)
    shared = room("shared")
    words = [sys.executable, "-m", "dba_cli", *COMMANDS[command]]
    root = Path(victims.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(words, cwd=shared.folder, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in both]
    assert sorted(code for _, code in ends) in ([0, 0], [0, 2]), ends
    assert all("Traceback" not in err for err, _ in ends)
    for path in shared.folder.rglob("result.json"):  # whose commit is not that of the forks
        assert json.loads(path.read_text())["status"] == "finished"
    ours, theirs = shared.left(), undisturbed.left()
    assert ours.keys() == theirs.keys()
    assert all(ours[path] == theirs[path] for path in ours if not path.endswith("result.json"))


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("tracked", "init")])
def test_files_cut_off_at_any_byte(room: Callable[[str], Room], alone: Alone, command: str) -> None:
    undisturbed, _ = alone(command)
    places = random.Random(0)
    files = [path for path in sorted((undisturbed.folder / "results").rglob("*")) if path.is_file()]
    cut = room("cut")
    for path in places.sample(files, min(len(files), 25)):
        shutil.rmtree(cut.folder)
        shutil.copytree(undisturbed.folder, cut.folder)
        there = cut.folder / path.relative_to(undisturbed.folder)
        os.truncate(there, places.randrange(max(1, there.stat().st_size)))
        code, _, printed = cut(COMMANDS[command])
        assert code in (0, 2), printed
        if code == 2:
            assert there.name in printed, printed


@pytest.fixture(scope="module")
def cached_sample() -> Iterator[None]:
    """The embedded sample is read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "loadtxt", functools.cache(np.loadtxt))
        yield


@pytest.mark.usefixtures("cached_sample")
@settings(
    max_examples=1000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(raw=changed_values() | changed_text())
def test_a_thousand_configs(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each is refused by every command in one line, or is a config."""
    folder = tmp_path_factory.getbasetemp() / "thousand"
    folder.mkdir(exist_ok=True)
    path = folder / "odd.yaml"
    path.write_bytes(raw if raw != TINY.encode() else b"")
    try:
        load(path)
        commands = [["inspect", str(path), "--no-time", "--results", str(folder / "results")]]
    except UserError:
        rest = [str(path), "--results", str(folder / "results")]
        commands = [["run", *rest], ["sweep", *rest, "--grid", "seeds=[0],[1]"], ["tune", *rest]]
        commands += [["inspect", *rest], ["init", str(path), str(folder / "new.yaml")]]
    for words in commands:
        code, err = said(words)
        assert code == 2 or (words[0] == "inspect" and code == 0), (words, err)
        lines = [line for line in err.splitlines() if line.startswith("dba: error: ")]
        assert len(lines) == (code == 2), err
        assert all(line.isprintable() and len(line) < 1200 for line in lines), err
    assert not (folder / "results").exists()
    assert not (folder / "new.yaml").exists()


def said(words: list[str]) -> tuple[Any, str]:
    import contextlib
    import io

    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            code = end.code
    return code, err.getvalue()
