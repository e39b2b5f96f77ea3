"""Put what is measured between its marks in the README and on the pages of docs/."""

import re
from pathlib import Path

from dba_cli.comparison import compare, render
from dba_cli.records import write_atomically
from reproduction.answers import answers, in_short
from reproduction.markdown import benchmark

ROOT = Path(__file__).parents[1]


def filled(page: str) -> str:
    """Return the page with the text that belongs between each pair of marks.

    ``<!-- table: NAME -->`` takes what ``dba compare NAME`` prints for the reference runs,
    ``<!-- bench: NAME -->`` the table of the bench's report of that name,
    ``<!-- bench: NAME, HEADING -->`` the part of it under that heading, and
    ``<!-- claims: answers -->`` the questions that ``results/claims.json`` answers, or
    ``<!-- claims: in short -->`` what was found, in a few sentences.
    """

    def text(match: re.Match[str]) -> str:
        return f"{match['mark']}\n{_SOURCES[match['kind']](match['name'])}\n<!-- end -->"

    marked = r"(?P<mark><!-- (?P<kind>table|bench|claims): (?P<name>[^\n]+) -->)\n.*?<!-- end -->"
    return re.sub(marked, text, page, flags=re.DOTALL)


def _table(experiment: str) -> str:
    table = render(compare(ROOT / "results/reference", [experiment]), "table")
    return f"```text\n{table}```"


def _claims(form: str) -> str:
    return {"answers": answers, "in short": in_short}[form](
        (ROOT / "results/claims.json").read_text(encoding="utf-8")
    )


_SOURCES = {"table": _table, "bench": benchmark, "claims": _claims}

if __name__ == "__main__":
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        write_atomically(path, filled(path.read_text(encoding="utf-8")))
