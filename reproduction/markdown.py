"""What the templates write numbers with."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

import pandas as pd

from dba_cli.comparison import Estimate
from reproduction.command import ROOT
from reproduction.statistics import difference, mean_accuracy


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table of texts."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in lines)


def benchmark(name: str) -> str:
    """Return the table of the bench's report ``NAME``, or of ``NAME, HEADING`` what stands under it."""
    file, _, heading = name.partition(", ")
    report = (ROOT / f"results/bench/{file}.md").read_text(encoding="utf-8")
    if heading:
        return report.partition(f"## {heading}\n")[2].partition("\n## ")[0].strip()
    return "\n".join(line for line in report.splitlines() if line.startswith("|"))


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of the first table in a text, by its columns: `table` read back."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    ruled = [i for i, line in enumerate(lines) if not line.strip("|:- ")]
    header, *found = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    last = ruled[1] - 2 if len(ruled) > 1 else None
    return [dict(zip(header, cells, strict=True)) for cells in found[1:last]]


def interval(estimate: Estimate | None, digits: int = 2, sign: bool = False) -> str:
    """Return a mean with its 95 % interval, or a dash."""
    if estimate is None:
        return "-"
    # As `claims.json` has it, so that 81.065 is rounded alike everywhere.
    return f"{replace(estimate, mean=round(estimate.mean, 6)):{'+' if sign else ''}.{digits}f}"


def signed(estimate: Estimate | None) -> str:
    """Return the same with the sign of the mean."""
    return interval(estimate, sign=True)


def number(value: float, digits: int = 0) -> str:
    """Return a number with thin grouping, ``never`` where it is infinite."""
    return f"{value:,.{digits}f}".replace(",", " ") if isfinite(value) else "never"


def p_value(p: float) -> str:
    """Return a p value to two digits."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def score(errors: float | None, images: int) -> str:
    """Return an accuracy, per cent, from the mean number of errors; it is infinite where a run diverged."""
    if errors is None:
        return "-"
    return f"{100 * (1 - errors / images):.2f}" if isfinite(errors) else "diverged"


def accuracy(runs: pd.DataFrame | None, column: str = "errors") -> str:
    """Return the mean final accuracy, per cent, and how many of the runs diverged if any did.

    A dash where there are no runs, or where a finished one has nothing in ``column``.
    """
    if runs is None or runs[column][runs.status == "finished"].isna().any():
        return "-"
    gone = int((runs.status == "diverged").sum())
    mean = mean_accuracy(runs.assign(errors=runs[column]))
    return interval(mean) + (f" ({gone} of {len(runs)} diverged)" if gone else "")


def less(runs: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Return the mean paired difference, in points; a dash beside itself."""
    found = None if runs is baseline else difference(runs, baseline)
    return "-" if found is None else signed(found.estimate)
