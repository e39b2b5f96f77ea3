"""A claim: figures, what each is of and what that looked at, and the one rule that makes verdicts of them.

``claims.json`` holds them as numbers; the tables of the report and the README are filled from it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from dba_cli.comparison import Estimate
from reproduction.markdown import number, p_value, table
from reproduction.statistics import LEVEL, ratio

Quantity = Literal["accuracy", "points more", "errors removed", "steps", "images looked at", "seconds"]
_WORDS: dict[Quantity, str] = {
    "accuracy": "{} %",
    "points more": "{} points",
    "errors removed": "{} % fewer errors",
    "steps": "{} times the steps",
    "images looked at": "{} times the images looked at",
    "seconds": "{} times the seconds",
}
_CLOCKS: dict[str, Quantity] = {"step": "steps", "samples": "images looked at", "seconds": "seconds"}
_LAST = {"C5": 1, "ours": 2, "labels": 3, "map": 4}  # accuracies come first
_DRAWN = {"map"}  # what its study has as a table of its own


@dataclass(frozen=True)
class Side:
    """What was measured, or what it is compared with.

    Args:
        name: of the optimizer, and what else tells it apart.
        looked_at: how many images it looked at in one training: those whose loss was computed, used or not;
            an image counts each time.
    """

    name: str
    looked_at: int


def side(name: str, runs: pd.DataFrame) -> Side:
    """Return the side that recorded runs are."""
    return Side(name, round(float(runs.samples.mean())))


@dataclass(frozen=True)
class Figure:
    """One number behind a claim.

    Args:
        of: what was measured.
        against: what it is compared with on the same seeds; None where it is no comparison.
        quantity: what the number is; accuracies and errors in per cent, the last three as ratios.
        mean: over seeds.
        half_width: of the 95 % interval; None with one seed.
        n: how many seeds.
        target: what the verdict compares it with; None for a figure that only stands beside.
        p: that of no difference, corrected by Holm's method, where several were tested together.
        verdict: of `judged`; empty without a target.
    """

    of: Side
    against: Side | None
    quantity: Quantity
    mean: float
    half_width: float | None
    n: int
    target: float | None = None
    p: float | None = None
    verdict: str = ""


def figure(
    of: Side,
    against: Side | None,
    quantity: Quantity,
    estimate: Estimate,
    *,
    target: float | None = None,
    p: float | None = None,
) -> Figure:
    """Return an estimate as a figure, to six digits after the point, with its verdict."""
    mean, half, corrected = (
        None if each is None else round(each, 6) for each in (estimate.mean, estimate.half_width, p)
    )
    assert mean is not None
    said = "" if target is None else judged(estimate, target, quantity, p)
    return Figure(of, against, quantity, mean, half, estimate.n, target, corrected, said)


def judged(estimate: Estimate, target: float, quantity: Quantity, p: float | None = None) -> str:
    """Return the verdict on a figure, by one rule for all.

    The 95 % interval lies wholly above the target, wholly below it, or holds it. Of differences that were
    tested together p by Holm must be below 0.05, too.
    """
    if estimate.half_width is None:
        return "undecided"
    above, below, between = "better", "worse", "no difference shown"
    if quantity in ("accuracy", "errors removed"):
        above, below, between = "reached", "not reached", "within the interval"
    elif quantity in _CLOCKS.values():
        above, below = "costs more", "costs less"
    if p is not None and p >= LEVEL:
        return between
    if estimate.mean - estimate.half_width > target:
        return above
    return below if estimate.mean + estimate.half_width < target else between


@dataclass(frozen=True)
class Claim:
    """One claim and what was found; in the report each of its figures is a row."""

    name: str
    claim: str
    protocol: str
    figures: Sequence[Figure]


def speed_figures(
    target: float, own: tuple[str, pd.DataFrame], others: Mapping[str, pd.DataFrame], *, timed: bool = True
) -> list[Figure]:
    """Return what ``own`` takes to the accuracy ``target``, as a multiple of what each of ``others`` takes.

    All are name and evaluations; ratios are paired by seed, of seeds where both get there. ``timed``: whether
    both sides ran in one execution, so that their seconds can be compared, too.
    """
    name, curves = own
    return [
        figure(_until(name, curves, target), _until(other, rows, target), quantity, estimate, target=1.0)
        for other, rows in others.items()
        for column, quantity in _CLOCKS.items()
        if (timed or quantity != "seconds") and (estimate := ratio(curves, rows, target, column)) is not None
    ]


def _until(name: str, curves: pd.DataFrame, target: float) -> Side:
    reached = curves[curves.accuracy >= target].groupby("seed").samples.min()
    return Side(name, round(float(reached.mean())))


def claims_json(dataset: str, claims: Iterable[Claim]) -> str:
    """Return the text of ``claims.json``: the claims in the order of the table."""
    rows = sorted((asdict(claim) for claim in claims), key=lambda row: _LAST.get(row["name"], 0))
    return json.dumps({"dataset": dataset, "claims": rows}, indent=2, ensure_ascii=False) + "\n"


def claims_table(text: str) -> str:
    """Return the table of a ``claims.json``: a row for each figure that has no table of its own."""
    sides = ["of (images looked at)", "against (images looked at)"]
    header = ["", "claim", "protocol", *sides, "measured (mean ± 95 %)", "seeds", "verdict"]
    rows = [
        [
            *((row["name"], row["claim"], row["protocol"]) if i == 0 else ("", "", "")),
            *(
                f"{at['name']} ({number(at['looked_at'])})" if at else "-"
                for at in (each["of"], each["against"])
            ),
            _measured(each),
            each["n"],
            each["verdict"] or "-",
        ]
        for row in _rows(text)
        if row["name"] not in _DRAWN
        for i, each in enumerate(row["figures"])
    ]
    return table(header, rows)


def short_table(text: str) -> str:
    """Return the README's: a row for each claim, with the control least favourable to it."""
    rows = []
    for row in _rows(text):
        if row["name"] in _DRAWN:
            continue
        shown = _least_favourable([each for each in row["figures"] if each["verdict"]])
        words = []
        for each in shown:
            against = f" against {each['against']['name']}" if each["against"] else ""
            words.append(f"{each['of']['name']}{against}: {_measured(each | {'p': None})}")
        verdicts = dict.fromkeys(each["verdict"] for each in shown)
        rows.append([f"{row['claim']}, {row['protocol']}", "; ".join(words), "; ".join(verdicts)])
    return table(["claim and protocol", "measured (mean ± 95 %)", "verdict"], rows)


def in_short(text: str) -> str:
    """Return what was found, in two sentences: on right labels, and on wrong ones."""
    rows = _rows(text)
    beside = [each for row in rows if row["name"] == "C1" for each in row["figures"]]
    none = sum(each["verdict"] == "no difference shown" for each in beside)
    wrong = next(row["figures"] for row in rows if row["name"] == "labels" and "40 % wrong" in row["claim"])
    own, *compared = wrong
    plain = next(each for each in compared if each["against"]["name"] == "sgd")
    peers = [each for each in compared if not each["against"]["name"].startswith(("dba", "sgd", "tilted"))]
    peer = min(peers, key=lambda each: each["mean"])
    less = "less" if peer["mean"] < 0 else "more"
    peers_name = peer["against"]["name"]
    lines = [
        "On right labels, selection alone does nothing that random subsets of the same sizes do not do: in",
        f"{none} of {len(beside)} comparisons no difference is shown. On wrong labels it helps:",
        f"with 40 % of 600 labels wrong, DBA gets {_measured(own)} right, {_points(plain)} points more",
        f"than tuned SGD. The best other remedy, tuned alike, is `{peers_name}`: DBA has",
        f"{_points(peer)} points {less} ({peer['verdict']}).",
    ]
    return "\n".join(lines)


def _points(each: Mapping[str, Any]) -> str:
    return f"{Estimate(abs(each['mean']), each['half_width'], each['n']):.1f}"


def _least_favourable(figures: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the levels, and of each side's comparisons the worst; costs are told in steps."""
    worst: dict[tuple[str, bool], Mapping[str, Any]] = {}
    for each in figures:
        if each["quantity"] in ("images looked at", "seconds"):
            continue
        costs = each["quantity"] in _CLOCKS.values()
        key = (each["of"]["name"], each["against"] is not None)
        known = worst.get(key)
        if known is None or (each["mean"] > known["mean"] if costs else each["mean"] < known["mean"]):
            worst[key] = each
    return list(worst.values())


def _measured(each: Mapping[str, Any]) -> str:
    estimate = Estimate(each["mean"], each["half_width"], each["n"])
    p = "" if each["p"] is None else f" (p {p_value(each['p'])})"
    sign = "+" if each["quantity"] == "points more" else ""
    return _WORDS[each["quantity"]].format(f"{estimate:{sign}.2f}") + p


def _rows(text: str) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = json.loads(text)["claims"]
    return rows
