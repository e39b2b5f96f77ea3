"""What `mkdocs.yml` cannot say: pages from outside docs/, formulas as MathML, and nothing from the network.

A file keeps its path in the repository, without ``docs/``; the repository's README is the first page.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any
from urllib.parse import urlsplit

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_TEXTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "results/*.md", "results/bench/*.md")
_OTHERS = (
    "LICENSE",
    "results/**/*.png",
    "results/**/*.svg",
    "results/**/*.json",
    "examples/*.ipynb",
    "examples/*.py",
    "configs/**/*.yaml",
)
_SHIM = "https://unpkg.com/iframe-worker/shim"
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
_FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add what lies beside docs/ and is linked to from there."""
    files.remove(files.src_uris["README.md"])  # a list of the pages, for readers of the repository
    for pattern in (*_TEXTS, *_OTHERS):
        for path in sorted(ROOT.glob(pattern)):
            uri = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(text: str, page: Any, **_: Any) -> str:
    """Make links relative to the site, and formulas MathML; code stays as it is."""
    parts = _CODE.split(text)
    parts[::2] = [
        _FORMULA.sub(_mathml, _LINK.sub(lambda link: _moved(link[0], page.file.src_uri), part))
        for part in parts[::2]
    ]
    return "".join(parts)


def on_post_page(html: str, page: Any, **_: Any) -> str:
    """Take from the site what the theme would load from elsewhere: the search's help for pages on a disk."""
    return html.replace(_SHIM, relpath("assets/iframe-worker.js", dirname(page.url) or "."))


def _moved(link: str, page: str) -> str:
    """Return a page's link, which is right in the repository, as it has to be on the site."""
    url = urlsplit(link)
    if url.scheme or url.netloc or not url.path:
        return link
    source = page if (ROOT / page).exists() else f"docs/{page}"
    target = normpath(join(dirname(source), url.path)).removeprefix("docs/")
    return relpath(target, dirname(page) or ".") + (f"#{url.fragment}" if url.fragment else "")


def _mathml(formula: re.Match[str]) -> str:
    block = formula["block"]
    made = convert(block or formula["inline"], display="block" if block else "inline")
    return f"\n\n{made}\n\n" if block else f"<span>{made}</span>"  # a span is no paragraph of its own
