import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from dba_cli.experiments import _provenance as module
from dba_cli.experiments._provenance import Provenance, device_record, git_revision, versions

from .lab import REVISION

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that the package lies in ``tmp_path/repo/dba_cli``; return that folder."""
    folder = tmp_path / "repo" / "dba_cli"
    (folder / "experiments").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.setattr(module, "__file__", str(folder / "experiments" / "_provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    return folder


@pytest.fixture
def git(package: Path) -> Callable[..., str]:
    """Run git in the repository around the package, which it makes."""

    def call(*arguments: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=package.parent, check=True, capture_output=True, text=True
        ).stdout.strip()

    call("init", "--quiet")
    return call


@pytest.fixture
def head(git: Callable[..., str]) -> str:
    """Commit all there is and return the commit."""
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    return git("rev-parse", "HEAD")


@needs_git
@pytest.mark.parametrize(
    ("changed", "mark"), [("README.md", ""), ("dba_cli/__init__.py", "-dirty"), ("dba_cli/new.py", "-dirty")]
)
def test_a_checkout_is_its_commit_and_dirty_where_code_differs(
    package: Path, head: str, changed: str, mark: str
) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", head)
    assert git_revision() == head
    (package.parent / changed).write_text("changed = True\n", encoding="utf-8")
    assert git_revision() == f"{head}{mark}"


@needs_git
@pytest.mark.parametrize("command", ["add .", "commit --quiet --allow-empty --message=another's"])
def test_code_that_is_in_no_commit_of_the_repository_has_none(git: Callable[..., str], command: str) -> None:
    git(*command.split())
    assert git_revision() is None


@pytest.mark.usefixtures("package")
def test_outside_a_repository_there_is_none() -> None:
    assert git_revision() is None


@needs_git
def test_a_machine_without_git_has_none(head: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert git_revision() == head
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision() is None


def test_versions_are_those_of_python_and_the_installed_packages() -> None:
    python = sys.version.split()[0]
    packages = ["dba-cli", "torch", "torchvision", "numpy", "mlxtend"]
    assert versions() == {"python": python, **{name: version(name) for name in packages}}


def test_the_device_is_named_with_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "describe_device", lambda device: f"a model of {device}")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    record = device_record(torch.device("cpu"))
    assert record.model_dump() == {"type": "cpu", "name": "a model of cpu", "threads": 5}


def test_a_provenance_is_all_of_it() -> None:
    cpu = torch.device("cpu")
    assert Provenance.now(cpu) == Provenance(versions(), device_record(cpu), REVISION)
