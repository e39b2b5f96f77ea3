"""The other reading of "using only 1 %": every image is a candidate, a step uses few of them."""

from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from dba_cli.comparison import Estimate
from dba_cli.plots import learning_curves
from reproduction.choose import fewest_errors, final_config
from reproduction.claims import Claim, figure, speed_claim, verdict
from reproduction.command import Command, Place
from reproduction.figures import lines
from reproduction.markdown import interval, signed
from reproduction.paper import SMALL
from reproduction.statistics import Difference, best, corrected, difference, mean_accuracy, share_of_best
from reproduction.study import Study

_BASELINES = {"sgd": "SGD", "adam": "Adam"}
_HIDDEN = 100  # the paper's network: its curves and times are shown
_TARGET = {"mnist": 0.94}
Cell = tuple[str, int, str]
"""A limit (a draw's name: as many images a step as the draw has), hidden units, and an optimizer."""


class StepBudget(Study):
    """Learning rates tuned under the limit, and the runs with the best of them."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.tuning = Command(place, "step_budget_tuning")
        self.final = Command(place, "step_budget", chosen=True, curves_kept=True)
        self.controls_tuning = Command(place, "step_budget_controls_tuning")
        self.controls = Command(place, "step_budget_controls", chosen=True, curves_kept=True)

    def chosen(self) -> dict[Path, str]:
        """Return the configs of the final runs: the rates with the fewest validation errors."""
        pairs = ((self.tuning, self.final), (self.controls_tuning, self.controls))
        return {final.path: final_config(tuning, final, _best_points(tuning)) for tuning, final in pairs}

    @cached_property
    def cells(self) -> dict[Cell, pd.DataFrame]:
        """Runs by limit, hidden units and optimizer."""
        return dict(iter(_with_cell(self.final).groupby(["limit", "hidden", "optimizer"], sort=False)))

    @cached_property
    def curves(self) -> dict[Cell, pd.DataFrame]:
        """Their evaluations."""
        return {cell: self.final.curves(runs) for cell, runs in self.cells.items()}

    @cached_property
    def comparisons(self) -> dict[tuple[str, int, str, str], tuple[Difference, float]]:
        """Paired differences of DBA entries to baselines, with p by Holm; keys are a cell and a baseline."""
        return corrected(
            {
                (limit, hidden, name, baseline): each
                for (limit, hidden, name), runs in self.cells.items()
                if name not in _BASELINES
                for baseline in _BASELINES
                if (each := difference(runs, self.cells[limit, hidden, baseline])) is not None
            }
        )

    @cached_property
    def target(self) -> float:
        """Accuracy that speed is measured to: declared, else nine tenths and a half of tuned SGD's."""
        declared = _TARGET.get(self.place.dataset)
        return share_of_best(self.tuning.runs, 0.95) if declared is None else declared

    def best(self, limit: str) -> tuple[Cell, Estimate]:
        """Return the DBA entry with the best mean, and that mean."""
        here = {cell: runs for cell, runs in self.cells.items() if cell[0] == limit}
        return best({cell: runs for cell, runs in here.items() if cell[2] not in _BASELINES})

    def reached(self, limit: str) -> str:
        """Return which entries have the paper's figure: not all of them select."""
        target = self.place.claimed(limit, "test_accuracy")
        names = [
            f"{name} with {hidden} hidden units"
            for (where, hidden, name), runs in self.cells.items()
            if where == limit and target and (mean := mean_accuracy(runs)) and mean.mean >= target
        ]
        return ", ".join(names) or "none"

    def figures(self) -> dict[str, Figure]:
        """Return the curves of the paper's network."""
        found = {}
        for limit in SMALL:
            curves = [rows for cell, rows in self.curves.items() if cell[:2] == (limit, _HIDDEN)]
            found[f"step_budget_{limit}"] = learning_curves(lines(pd.concat(curves)), "steps")
        return found

    def claims(self) -> list[Claim]:
        """Return accuracy and speed with so few images a step."""
        return [claim(limit) for claim in (self._accuracy, self._speed) for limit in SMALL]

    def _accuracy(self, limit: str) -> Claim:
        target = self.place.claimed(limit, "test_accuracy")
        (_, hidden, entry), mean = self.best(limit)
        name = f"{entry}, {hidden} hidden units"
        measured, figures = [f"{interval(mean)} ({name})"], [figure(name, None, "test accuracy, %", mean)]
        for baseline, words in _BASELINES.items():
            if (limit, hidden, entry, baseline) in self.comparisons:
                less, p = self.comparisons[limit, hidden, entry, baseline]
                against = f"random subsets with {words}"
                measured.append(f"{signed(less.estimate)} points over {against}")
                against += f", {hidden} hidden units"
                figures.append(figure(name, against, "test accuracy, points more", less.estimate, p))
        return Claim(
            name=SMALL[limit].claim,
            claim=f"{f'{target} %' if target else 'accuracy'}, {SMALL[limit].budget}",
            protocol="step budget (all labels)",
            measured="; ".join(measured),
            verdict=verdict(mean, target),
            target=target,
            figures=figures,
        )

    def _speed(self, limit: str) -> Claim:
        """Return the speed, where DBA looks at more candidates than it uses."""
        curves = {name: rows for (*cell, name), rows in self.curves.items() if cell == [limit, _HIDDEN]}
        return speed_claim(
            SMALL[limit].budget,
            f"step budget (all labels), {100 * self.target:g} %, {_HIDDEN} hidden units",
            self.target,
            ("projection", curves["projection"]),
            {f"{words} on random subsets": curves[baseline] for baseline, words in _BASELINES.items()},
        )


def _best_points(tuning: Command) -> dict[tuple[str, str], str]:
    return {
        (f"{row.limit}_hidden_{row.hidden}", str(row.optimizer)): str(row.point)
        for row in fewest_errors(_with_cell(tuning), ["limit", "hidden"]).itertuples()
    }


def _with_cell(command: Command) -> pd.DataFrame:
    """Return the runs with the columns ``limit`` and ``hidden``."""
    names = {draw.images: name for name, draw in SMALL.items()}
    limits, hidden = command.values("training.step_budget"), command.values("model.hidden")
    return command.runs.assign(limit=limits.map(lambda n: names[int(n)]), hidden=hidden.map(lambda h: h[0]))
