"""Put the tables of the reference runs, and of the bench, between their marks in the README."""

import re
from pathlib import Path

from dba_cli.comparison import compare, render
from dba_cli.records import write_atomically

ROOT = Path(__file__).parents[1]


def filled(readme: str) -> str:
    """Return the README with the text that belongs between each pair of marks.

    ``<!-- table: NAME -->`` takes what ``dba compare NAME`` prints for the reference runs, and
    ``<!-- bench: HEADING -->`` the part of the bench's report under that heading.
    """

    def text(match: re.Match[str]) -> str:
        return f"{match['mark']}\n{_SOURCES[match['kind']](match['name'])}\n<!-- end -->"

    marked = r"(?P<mark><!-- (?P<kind>table|bench): (?P<name>[^\n]+) -->)\n.*?<!-- end -->"
    return re.sub(marked, text, readme, flags=re.DOTALL)


def _table(experiment: str) -> str:
    table = render(compare(ROOT / "results/reference", [experiment]), "table")
    return f"```text\n{table}```"


def _bench(heading: str) -> str:
    report = (ROOT / "results/bench/step_cost.md").read_text(encoding="utf-8")
    return report.partition(f"## {heading}\n")[2].partition("\n## ")[0].strip()


_SOURCES = {"table": _table, "bench": _bench}

if __name__ == "__main__":
    path = ROOT / "README.md"
    write_atomically(path, filled(path.read_text(encoding="utf-8")))
