"""A claim: figures, what each is of and what that looked at, and the one rule that makes verdicts of them.

``claims.json`` holds them as numbers; the report's table and the README's answers are filled from it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from dba_cli.comparison import Estimate, called
from reproduction.markdown import interval, number, p_value, table
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
_DRAWN = "map "  # keys of claims whose study has a table of its own


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
    """One claim and what was found; in the report each of its figures is a row.

    Args:
        key: what finds it in ``claims.json``; no other claim has it.
        claim: in words.
        protocol: what a run could see.
        figures: those of what is claimed come first.
    """

    key: str
    claim: str
    protocol: str
    figures: Sequence[Figure]

    @property
    def own(self) -> Figure:
        """Return the first figure: the accuracy of what is claimed, if it is of one."""
        return self.figures[0]

    @property
    def levels(self) -> dict[str, Figure]:
        """Return the figures that are no comparisons, by what they are of."""
        return {each.of.name: each for each in self.figures if each.against is None}

    @property
    def strongest(self) -> Figure:
        """Return the best of the accuracies beside the first."""
        return max((each for each in self.levels.values() if each.of != self.own.of), key=lambda f: f.mean)

    @property
    def hardest(self) -> Figure:
        """Return the comparison that is least favourable to what is claimed; costs are told in steps."""
        compared = [
            f for f in self.figures if f.against and f.quantity not in ("images looked at", "seconds")
        ]
        return min(compared, key=lambda f: -f.mean if f.quantity in _CLOCKS.values() else f.mean)

    def beside(self, name: str) -> Figure:
        """Return the comparison with one other."""
        return next(each for each in self.figures if each.against and each.against.name == name)


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
    rows = [asdict(claim) for claim in claims]
    return json.dumps({"dataset": dataset, "claims": rows}, indent=2, ensure_ascii=False) + "\n"


def read_claims(text: str) -> dict[str, Claim]:
    """Return the claims of a ``claims.json`` by their keys."""
    found = {}
    for row in json.loads(text)["claims"]:
        figures = [
            Figure(
                **each | {"of": Side(**each["of"]), "against": each["against"] and Side(**each["against"])}
            )
            for each in row["figures"]
        ]
        found[row["key"]] = Claim(**row | {"figures": figures})
    return found


def claims_table(text: str) -> str:
    """Return the table of a ``claims.json``: a row for each figure that has no table of its own."""
    sides = ["of (images looked at)", "against (images looked at)"]
    header = ["claim", "protocol", *sides, "measured (mean ± 95 %)", "seeds", "verdict"]
    rows = [
        [
            *((claim.claim, claim.protocol) if i == 0 else ("", "")),
            *(f"{called(at.name)} ({number(at.looked_at)})" if at else "-" for at in (each.of, each.against)),
            _WORDS[each.quantity].format(said(each, sign=each.quantity == "points more"))
            + ("" if each.p is None else f" (p {p_value(each.p)})"),
            each.n,
            each.verdict or "-",
        ]
        for claim in read_claims(text).values()
        if not claim.key.startswith(_DRAWN)
        for i, each in enumerate(claim.figures)
    ]
    return table(header, rows)


def said(each: Figure, digits: int = 2, *, sign: bool = False) -> str:
    """Return the mean of a figure with its interval."""
    return interval(Estimate(each.mean, each.half_width, each.n), digits, sign)
