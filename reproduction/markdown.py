"""Tables and figures as Markdown."""

from collections.abc import Sequence
from math import isfinite

import pandas as pd

from dba_cli.comparison import Estimate
from reproduction.statistics import difference, mean_accuracy


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, right: bool = True) -> str:
    """Return a Markdown table; the first column is text, the others are aligned right if they are numbers."""
    rule = ["---", *["---:" if right else "---"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [header, rule, *rows])


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
    return f"![{caption}](figures/{name}.png)\n\n*{caption}* ([SVG](figures/{name}.svg))"


def accuracy(runs: pd.DataFrame | None) -> str:
    """Return the mean final accuracy, per cent, and how many of the runs diverged if any did."""
    if runs is None:
        return "-"
    gone = int((runs.status == "diverged").sum())
    return interval(mean_accuracy(runs)) + (f" ({gone} of {len(runs)} diverged)" if gone else "")


def less(runs: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Return the mean paired difference, in points; a dash beside itself."""
    found = None if runs is baseline else difference(runs, baseline)
    return interval(found and found.estimate, sign=True)
