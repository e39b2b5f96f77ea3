"""Tables and figures as Markdown."""

from collections.abc import Sequence
from math import isfinite

import pandas as pd

from dba_cli.comparison import Estimate


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; the first column is text, the others are aligned right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [header, rule, *rows]) + "\n"


def interval(estimate: Estimate | None, digits: int = 2, sign: bool = False) -> str:
    """Return a mean with its 95 % interval, or a dash."""
    if estimate is None:
        return "-"
    mean = f"{estimate.mean:+.{digits}f}" if sign else f"{estimate.mean:.{digits}f}"
    return mean if estimate.half_width is None else f"{mean} ± {estimate.half_width:.{digits}f}"


def number(value: float) -> str:
    """Return a count with thin grouping, ``never`` where it is infinite."""
    return f"{value:,.0f}".replace(",", " ") if isfinite(value) else "never"


def p_value(p: float) -> str:
    """Return a p value to two digits."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def picture(name: str, caption: str) -> str:
    """Return a figure of ``results/figures`` with its caption."""
    return f"![{caption}](figures/{name}.png)\n\n*{caption}* ([SVG](figures/{name}.svg))\n"


def diverged(runs: pd.DataFrame) -> str:
    """Return how many of the runs behind a mean diverged; nothing where none did."""
    gone = int((runs.status == "diverged").sum())
    return f" ({gone} of {len(runs)} diverged)" if gone else ""


def command(*commands: str) -> str:
    """Return the commands that make what stands above."""
    return "Made by " + " and ".join(f"`{words}`" for words in commands) + ".\n"
