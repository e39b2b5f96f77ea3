"""The claims of the paper, one by one: what was measured, and what that says."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from dba_cli.comparison import Estimate, error_reduction
from reproduction import convergence, headline, paper_setting, step_budget
from reproduction.markdown import interval, table
from reproduction.paper import ACCURACY, FEWER_ERRORS
from reproduction.statistics import accuracies, holm

_LEVEL = 0.05
_NUMBERS = {"1pct": "C2", "10_per_class": "C3"}


@dataclass(frozen=True)
class Claim:
    """One row of the claims table."""

    name: str
    claim: str
    protocol: str
    measured: str
    verdict: str

    @property
    def cells(self) -> list[str]:
        """Return the row."""
        return [self.name, self.claim, self.protocol, self.measured, self.verdict]


def claims(results: Path) -> list[Claim]:
    """Return every claim and every protocol that it was tested under."""
    return [
        *(_accuracy(results, draw) for draw in _NUMBERS),
        *(_reduction(results, draw) for draw in _NUMBERS),
        *_contribution(results),
        *(_step_budget(results, draw) for draw in _NUMBERS),
        *(_speed(results, draw) for draw in convergence.TITLES),
        *(_budget_speed(results, draw) for draw in _NUMBERS),
        *_reached(results),
    ]


def claims_table(results: Path) -> str:
    """Return the whole table."""
    rows = [claim.cells for claim in claims(results)]
    return _left(table(["", "claim", "protocol", "measured (mean ± 95 %)", "verdict"], rows))


def short_table(results: Path) -> str:
    """Return the README's: what is claimed, what was measured, the verdict."""
    rows = [[f"{c.claim}, {c.protocol}", c.measured, c.verdict] for c in claims(results)]
    return _left(table(["claim and protocol", "measured", "verdict"], rows))


def _left(text: str) -> str:
    return text.replace("---:", "---")


def _accuracy(results: Path, draw: str) -> Claim:
    number, paper = _NUMBERS[draw], ACCURACY[draw]
    name, mean = paper_setting.best_dba(results, draw)
    return Claim(
        number,
        f"{paper} % with {paper_setting.TITLES[draw].partition(' (')[0]}",
        "random draw",
        f"{interval(mean)} ({name}, the best of the tuned DBA variants)",
        _verdict(mean, paper),
    )


def _reduction(results: Path, draw: str) -> Claim:
    paper = FEWER_ERRORS[draw]
    runs = paper_setting.confirmed(results)
    name, _ = paper_setting.best_dba(results, draw)
    measured, estimates = [], []
    for baseline in ("sgd", "adam"):
        pairs = [
            (100 - a, 100 - b)
            for a, b in zip(
                *accuracies(runs[draw, name]).align(accuracies(runs[draw, baseline]), "inner"), strict=True
            )
        ]
        reduction = error_reduction(pairs)
        if reduction is not None:
            percent = Estimate(
                100 * reduction.mean,
                None if reduction.half_width is None else 100 * reduction.half_width,
                reduction.n,
            )
            measured.append(f"{interval(percent, 1)} against {baseline}")
            estimates.append(percent)
    return Claim(
        "C4",
        f"{paper} % fewer errors than SGD and Adam, {paper_setting.TITLES[draw].partition(' (')[0]}",
        "random draw",
        "; ".join(measured),
        _verdict(max(estimates, key=lambda e: e.mean), paper),
    )


def _contribution(results: Path) -> list[Claim]:
    """Whether the selection does anything that random subsets of the same sizes do not."""
    found = paper_setting.comparisons(results)
    adjusted = holm([each.p for *_, each in found])
    rows = []
    for draw in _NUMBERS:
        measured, verdicts = [], []
        for (where, name, baseline, each), p in zip(found, adjusted, strict=True):
            if where == draw and baseline == f"random_for_{name}":
                measured.append(f"{name} {interval(each.estimate, sign=True)}")
                sign = "better" if each.estimate.mean > 0 else "worse"
                verdicts.append("no difference shown" if p >= _LEVEL else sign)
        claim = f"selection beside random subsets, {paper_setting.TITLES[draw].partition(' (')[0]}"
        verdict = "; ".join(verdicts if len(set(verdicts)) > 1 else verdicts[:1])
        rows.append(Claim("C1", claim, "random draw", "; ".join(measured) + " points", verdict))
    return rows


def _step_budget(results: Path, draw: str) -> Claim:
    number, paper = _NUMBERS[draw], ACCURACY[draw]
    key, mean = step_budget.best(results, draw)
    _, hidden, name = key
    found = step_budget.comparisons(results)
    less = [
        f"{interval(found[*key, baseline][0].estimate, sign=True)} points over random subsets with {words}"
        for baseline, words in (("sgd", "SGD"), ("adam", "Adam"))
        if (*key, baseline) in found
    ]
    return Claim(
        number,
        f"{paper} %, {step_budget.POINTS[draw]}",
        "step budget (all labels)",
        "; ".join([f"{interval(mean)} ({name}, {hidden} hidden units)", *less]),
        _verdict(mean, paper),
    )


def _speed(results: Path, draw: str) -> Claim:
    target = 100 * convergence.TARGETS[draw][1]
    parts, ratios = [], []
    for baseline, words in (
        ("sgd_25", "plain SGD on as many images a step"),
        ("sgd", "SGD on the whole batch"),
    ):
        steps = convergence.ratio(results, draw, "dba", baseline)
        seconds = convergence.ratio(results, draw, "dba", baseline, "seconds")
        if steps is None or seconds is None:
            parts.append(f"neither DBA nor {words} gets there")
        else:
            parts.append(f"{steps:.2f}x the steps, {seconds:.2f}x the seconds by {words}")
            ratios.append((steps, seconds))
    return Claim(
        "C5",
        f"faster convergence, {convergence.TITLES[draw]}",
        f"random draw, {target:g} %" if draw != "full" else f"full training set, {target:g} %",
        "; ".join(parts),
        _speed_verdict(ratios),
    )


def _budget_speed(results: Path, draw: str) -> Claim:
    """Return the speed under the step budget, where DBA looks at more candidates than it uses."""
    found = step_budget.times(results, draw)
    parts, ratios = [], []
    for baseline, words in (("sgd", "SGD"), ("adam", "Adam")):
        steps, seconds = (found[baseline, c] / found["projection", c] for c in ("step", "seconds"))
        if isfinite(steps):
            parts.append(f"{steps:.2f}x the steps, {seconds:.2f}x the seconds by {words} on random subsets")
            ratios.append((steps, seconds))
    return Claim(
        "C5",
        f"faster convergence, {step_budget.POINTS[draw]}",
        f"step budget (all labels), {100 * step_budget.TARGET:g} %, 100 hidden units",
        "; ".join(parts) or "some never get there",
        _speed_verdict(ratios),
    )


def _speed_verdict(ratios: list[tuple[float, float]]) -> str:
    if not ratios:
        return "undecided"
    steps, seconds = (all(r[i] > 1 for r in ratios) for i in (0, 1))
    return "holds" if steps and seconds else "holds in steps, not in seconds" if steps else "does not hold"


def _reached(results: Path) -> list[Claim]:
    rows = []
    for name, title in headline.TITLES.items():
        found = headline.best(results, name)
        if found is None:
            continue
        optimizer, mean = found
        goal = headline.GOALS[name]
        rows.append(
            Claim(
                "ours",
                f"goal {goal} %, {title}",
                "deformed copies",
                f"{interval(mean)} ({optimizer})",
                "reached" if mean.mean >= goal else "missed",
            )
        )
    return rows


def _verdict(mean: Estimate, paper: float) -> str:
    """Compare an interval with the paper's figure."""
    half = mean.half_width or 0.0
    if mean.mean - half > paper:
        return "exceeded"
    return "not reached" if mean.mean + half < paper else "within the interval"
