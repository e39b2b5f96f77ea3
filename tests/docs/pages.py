"""The code blocks of a Markdown page, and what the tests run for each of them."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

SHELL = {"bash", "console", "sh"}
NOT_RUN = {"text", "yaml", "json", "csv", "html", "markdown", "bibtex"}

_BLOCK = re.compile(
    r"(?P<notes>(?:^ *<!-- tested (?:after|as):(?:(?!-->).)*-->\s*)*)"
    r"^ *(?P<fence>```+)(?P<language>[^\s`]*)[^\n]*\n(?P<text>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_NOTE = re.compile(r"<!-- tested (after|as):(.*?)-->", re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        place: page and line of its first line of code.
        line: that line.
        language: what stands behind the fence.
        shown: what a reader sees.
        before: hidden lines in the block's language that must run before it (``<!-- tested after: ... -->``).
        instead: hidden commands that run instead of it (``<!-- tested as: ... -->``).
    """

    place: str
    line: int
    language: str
    shown: str
    before: str
    instead: str | None

    @property
    def file(self) -> str | None:
        """The file that the block is, where its first line is a comment with the file's name."""
        match = _FILE.match(self.shown)
        return match[1] if match else None

    @property
    def run(self) -> str:
        """What runs: of a block with ``$`` prompts, the lines behind them; of a diff, both its sides."""
        if self.instead is not None:
            return self.instead
        if self.language in SHELL and re.search(r"^\$ ", self.shown, re.MULTILINE):
            return "".join(re.findall(r"^\$ (.*\n)", self.shown, re.MULTILINE))
        if self.language == "diff":
            sides = (re.findall(rf"^[ {sign}](.*\n)", self.shown, re.MULTILINE) for sign in "-+")
            return "".join(line for side in sides for line in side)
        return self.shown


def blocks_of(page: Path, text: str) -> list[Block]:
    """Return the blocks of a page, in its order.

    Raises:
        ValueError: A block's language is none that is run or known not to be, or a note has no block.
    """
    blocks = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        place = f"{page.name}:{line}"
        language = match["language"]
        if language not in {*SHELL, *NOT_RUN, "python", "diff"}:
            raise ValueError(f"{place}: a block in {language or 'no language'!r} would silently not be run")
        notes = {kind: dedent(note).strip() + "\n" for kind, note in _NOTE.findall(match["notes"])}
        blocks.append(
            Block(place, line, language, dedent(match["text"]), notes.get("after", ""), notes.get("as"))
        )
    noted = sum(len(_NOTE.findall(match["notes"])) for match in _BLOCK.finditer(text))
    if noted != text.count("<!-- tested"):
        raise ValueError(f"{page.name}: a 'tested' note stands before no block, or is neither after nor as")
    return blocks
