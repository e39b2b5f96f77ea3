"""Every link to a file of the project, or to a heading of a page, leads somewhere."""

import re
from pathlib import Path

import pytest

from dba_cli import __version__

from .test_commands import PAGES, ROOT


def anchors(page: Path) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path, text: str) -> list[str]:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if link.startswith(("http://", "https://")):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of(page: Path) -> None:
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


def test_a_dead_link_is_seen() -> None:
    text = "[a](docs/nothing.md) [b](README.md#no-such-heading) [c](#cite) [d](docs/method.md#rules)"
    assert dead_links(ROOT / "README.md", text) == ["docs/nothing.md", "README.md#no-such-heading"]


def test_every_page_is_listed() -> None:
    listed = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"^- \[[\w.-]+\]\(([\w.-]+)\)", listed, flags=re.MULTILINE))


def test_the_version_to_cite_is_this_one() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"version = {{{__version__}}}" in readme
