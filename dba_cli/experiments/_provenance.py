"""Where a record comes from: the code, the versions, the machine."""

import platform
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from dba_cli.records import DeviceRecord
from dba_cli.training import describe_device

_PACKAGES = ["dba-cli", "torch", "torchvision", "numpy", "mlxtend"]


@dataclass(frozen=True)
class Provenance:
    """What the runs of one command have in common."""

    versions: dict[str, str]
    device: DeviceRecord
    git_revision: str | None

    @classmethod
    def now(cls, device: torch.device) -> "Provenance":
        """Ask before the first run: what is edited or checked out while runs go on is not what they ran."""
        return cls(versions(), device_record(device), git_revision())

    def here(self, device: torch.device) -> "Provenance":
        """Return the same of a worker, which may be on another machine: what it computes on there."""
        return replace(self, versions=versions(), device=device_record(device))

    @property
    def computed_on(self) -> str:
        """Return what must be the same for the bits to be: not the revision, which any commit changes."""
        names = [f"{name} {version}" for name, version in sorted(self.versions.items())]
        return ", ".join([*names, self.device.type, self.device.name, f"{self.device.threads} threads"])


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can change a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def device_record(device: torch.device) -> DeviceRecord:
    """Return what the run is computed on."""
    return DeviceRecord(type=device.type, name=describe_device(device), threads=torch.get_num_threads())


def git_revision() -> str | None:
    """Return the commit of the package's checkout, ``-dirty`` where its code is changed; None outside."""
    package = Path(__file__).resolve().parent.parent
    # An installed copy may lie inside somebody else's repository (a virtual environment, say).
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    revision = _git(package, "rev-parse", "HEAD")
    if revision is None:
        return None
    return f"{revision}-dirty" if _git(package, "status", "--porcelain", "--", ".") else revision


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
