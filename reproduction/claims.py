"""A claim: what was measured, against what, and what that says; ``claims.json`` and the tables made of it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import inf, isfinite
from typing import Any

import pandas as pd

from dba_cli.comparison import Estimate
from reproduction.markdown import table
from reproduction.statistics import reach

_CLOCKS = {"step": "steps", "seconds": "seconds"}
_LAST = {"C5": 1, "ours": 2}  # accuracies come first


@dataclass(frozen=True)
class Figure:
    """One number behind a claim: ``mean`` is None where it is infinite, ``half_width`` where there is none.

    ``quantity`` says what was measured and its unit; ``against`` is None where it is no comparison; ``p`` is
    that of no difference, corrected by Holm's method, where it was tested.
    """

    what: str
    against: str | None
    quantity: str
    mean: float | None
    half_width: float | None
    n: int
    p: float | None = None


def figure(
    what: str, against: str | None, quantity: str, estimate: Estimate, p: float | None = None
) -> Figure:
    """Return an estimate as a figure, to six digits after the point."""
    mean = round(estimate.mean, 6) if isfinite(estimate.mean) else None
    half_width = None if estimate.half_width is None else round(estimate.half_width, 6)
    return Figure(what, against, quantity, mean, half_width, estimate.n, None if p is None else round(p, 6))


@dataclass(frozen=True)
class Claim:
    """One row of the claims table, in words and in numbers; ``target`` is None where none is declared."""

    name: str
    claim: str
    protocol: str
    measured: str
    verdict: str
    target: float | None
    figures: list[Figure]


def claims_json(dataset: str, claims: Iterable[Claim]) -> str:
    """Return the text of ``claims.json``: the claims in the order of the table."""
    rows = sorted((asdict(claim) for claim in claims), key=lambda row: _LAST.get(row["name"], 0))
    return json.dumps({"dataset": dataset, "claims": rows}, indent=2, ensure_ascii=False) + "\n"


def claims_table(text: str) -> str:
    """Return the whole table of a ``claims.json``."""
    keys = ("name", "claim", "protocol", "measured", "verdict")
    rows = [[row[key] for key in keys] for row in _rows(text)]
    return table(["", "claim", "protocol", "measured (mean ± 95 %)", "verdict"], rows)


def short_table(text: str) -> str:
    """Return the README's: what is claimed, what was measured, the verdict."""
    rows = [[f"{row['claim']}, {row['protocol']}", row["measured"], row["verdict"]] for row in _rows(text)]
    return table(["claim and protocol", "measured", "verdict"], rows)


def verdict(mean: Estimate, target: float | None) -> str:
    """Compare an interval with the paper's figure."""
    if target is None:
        return "no figure in the paper"
    half = mean.half_width or 0.0
    if mean.mean - half > target:
        return "exceeded"
    return "not reached" if mean.mean + half < target else "within the interval"


def speed_claim(
    claim: str,
    protocol: str,
    target: float,
    own: tuple[str, pd.DataFrame],
    baselines: Mapping[str, pd.DataFrame],
) -> Claim:
    """Return claim 5: how many times as long each baseline takes to ``target``, in steps and in seconds.

    ``own`` is name and evaluations of what selects, ``baselines`` the others' by what they are called.
    """
    name, curves = own
    measured, figures, ratios = [], [], []
    for words, others in baselines.items():
        own_times, times = ([reach(rows, target, c) for c in _CLOCKS] for rows in (curves, others))
        if own_times[0] == times[0] == inf:
            measured.append(f"neither DBA nor {words} gets there")
            continue
        ratio = [time / own_time for time, own_time in zip(times, own_times, strict=True)]
        ratios.append(ratio)
        measured.append(f"{ratio[0]:.2f}x the steps, {ratio[1]:.2f}x the seconds by {words}")
        for unit, each in zip(_CLOCKS.values(), ratio, strict=True):
            estimate = Estimate(each, None, curves.seed.nunique())
            figures.append(figure(name, words, f"{unit} to the target, its own = 1", estimate))
    steps, seconds = (all(ratio[i] > 1 for ratio in ratios) for i in (0, 1))
    said = "holds" if steps and seconds else "holds in steps, not in seconds" if steps else "does not hold"
    said = said if ratios else "undecided"
    return Claim("C5", f"faster convergence, {claim}", protocol, "; ".join(measured), said, 1.0, figures)


def _rows(text: str) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = json.loads(text)["claims"]
    return rows
