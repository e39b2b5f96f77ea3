"""Put the tables of the reference runs between the marks ``<!-- table: NAME -->`` of the README."""

import re
from pathlib import Path

from dba_cli.comparison import compare, render
from dba_cli.records import write_atomically

ROOT = Path(__file__).parents[1]


def filled(readme: str) -> str:
    """Return the README with each marked table as ``dba compare`` prints it."""

    def table(match: re.Match[str]) -> str:
        text = render(compare(ROOT / "results/reference", [match["name"]]), "table")
        return f"{match['mark']}\n```text\n{text}```\n<!-- end -->"

    marked = r"(?P<mark><!-- table: (?P<name>\S+) -->)\n.*?<!-- end -->"
    return re.sub(marked, table, readme, flags=re.DOTALL)


if __name__ == "__main__":
    path = ROOT / "README.md"
    write_atomically(path, filled(path.read_text(encoding="utf-8")))
