import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dba_cli.cli import main

TINY = """
experiment: {name: tiny, description: Ends in a second.}
data: {dataset: mnist, source: embedded, draw: {per_class: 2}}
model: {kind: mlp, hidden: [8]}
training: {epochs: 3, batch_size: 10, evaluation: {epochs: 3}}
optimizers:
  - {name: sgd, kind: sgd, lr: 0.1}
  - {name: adam, kind: adam}
  - {name: dba, kind: dba, base: {kind: sgd, lr: 0.1}}
seeds: 0-1
"""


@dataclass(frozen=True)
class Answer:
    """What a person gets: the exit code and both streams."""

    code: int
    out: str
    err: str

    def refused(self) -> str:
        """Return the one line on stderr of a refusal; fail if it is anything else."""
        assert self.code == 2, self
        lines = self.err.splitlines()
        # Lines before it are notices; the refusal itself is the last and only error line.
        assert [line for line in lines if line.startswith("dba: error: ")] == lines[-1:], self
        assert "Traceback" not in self.err
        return lines[-1].removeprefix("dba: error: ")


@pytest.fixture
def dba(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """Run the command's entry point in an empty folder, in this process (torch loads once)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Answer(exit_.value.code, captured.out, captured.err)

    return call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def recorded(
    dba: Callable[..., Answer], config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Answer]:
    """The command in a folder with all runs of the config, traced; made once and copied for each test."""
    config.write_text(TINY.replace("training: {", "training: {trace: true, "))
    kept = tmp_path_factory.getbasetemp() / "recorded"
    if not kept.exists():
        assert dba("run", config, "--quiet").code == 0
        shutil.copytree("results", kept)
    else:
        shutil.copytree(kept, "results")
    return dba
