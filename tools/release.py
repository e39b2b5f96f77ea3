"""Whether this tree can be released: `make release-check` says what speaks against it.

The version stands in ``dba_cli/__init__.py``; what else names it has to agree.
"""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

from dba_cli import __version__

ROOT = Path(__file__).parents[1]


def disagreements(root: Path, version: str) -> list[str]:
    """Return what names another version, or another day, than the changelog's newest release does."""
    changelog, citation, readme = (
        (root / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "CITATION.cff", "README.md")
    )
    released = re.findall(r"^## (?!Unreleased$)(.*)$", changelog, re.MULTILINE)
    newest, _, day = released[0].partition(" - ") if released else ("no release", "", "")
    cited = yaml.safe_load(citation)
    found = [
        ("CHANGELOG.md", f"its newest release is {newest}", newest == version),
        ("CITATION.cff", f"version is {cited['version']}", str(cited["version"]) == version),
        (
            "CITATION.cff",
            f"date-released is {cited.get('date-released')}, the changelog has {day}",
            str(cited.get("date-released")) == day,
        ),
        ("README.md", "its last section cites another version", f"version = {{{version}}}" in readme),
    ]
    return [f"{name}: {what}, and dba_cli is {version}" for name, what, agrees in found if not agrees]


def unready(root: Path) -> list[str]:
    """Return what is not part of the release: not committed, not packed into dist/, or under no version."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    pending = re.search(r"^## Unreleased\n(.*?)^## ", changelog, re.MULTILINE | re.DOTALL)
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True
    )
    found = [f"not committed: {line[3:]}" for line in status.stdout.splitlines()]
    with tarfile.open(next((root / "dist").glob("dba_cli-*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    found += [
        f"not in the source package: {name}" for name in tracked.stdout.splitlines() if name not in packed
    ]
    if pending is None or pending[1].strip():
        found.append("CHANGELOG.md: needs an empty section Unreleased above the release")
    return found


if __name__ == "__main__":
    speaks_against = disagreements(ROOT, __version__) + unready(ROOT)
    print(
        "\n".join(speaks_against) or f"{__version__} can be released",
        file=sys.stderr if speaks_against else None,
    )
    sys.exit(bool(speaks_against))
