"""What `make release-check` says of versions that do not agree."""

from pathlib import Path

import pytest

from dba_cli import __version__
from tools.release import ROOT, disagreements

VERSION = "1.2.3"


def test_what_names_the_version_here_agrees() -> None:
    assert disagreements(ROOT, __version__) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {
        "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2030-01-02\n\n## 1.2.2 - 2029-01-02\n",
        "CITATION.cff": "cff-version: 1.2.0\nversion: 1.2.3\ndate-released: 2030-01-02\n",
        "README.md": "  version = {1.2.3},\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_one_version_and_one_day_everywhere_are_a_release(tree: Path) -> None:
    assert disagreements(tree, VERSION) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("CHANGELOG.md", "1.2.3", "1.3.0", "its newest release is 1.3.0"),
        ("CHANGELOG.md", "2030", "2031", "date-released is 2030-01-02, the changelog has 2031-01-02"),
        ("CITATION.cff", "1.2.3", "1.2.2", "version is 1.2.2"),
        ("CITATION.cff", "date-released: 2030-01-02\n", "", "date-released is None"),
        ("README.md", "1.2.3", "1.2.2", "cites another version"),
    ],
)
def test_what_names_another_version_or_day_is_said(
    tree: Path, file: str, old: str, new: str, named: str
) -> None:
    path = tree / file
    path.write_text(path.read_text().replace(old, new, 1))
    (said,) = disagreements(tree, VERSION)
    assert named in said
