"""The other reading of "using only 1 %": every image is a candidate, a step uses few of them."""

from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from dba_cli.comparison import called
from dba_cli.plots import learning_curves
from reproduction.choose import fewest_errors, final_config
from reproduction.claims import Claim, figure, side, speed_figures
from reproduction.command import Command, Place
from reproduction.figures import lines
from reproduction.paper import SMALL
from reproduction.statistics import Difference, corrected, difference, mean_accuracy, share_of_best
from reproduction.study import Study

_CONTROLS = ("sgd", "adam", "random_subsets", "sgd_on_all")
_CANDIDATES = {1500: "1pct", 1000: "10_per_class"}
_HIDDEN = 100  # the paper's network: its curves and times are shown
_TARGET = {"mnist": 0.94}
Cell = tuple[str, int, str]
"""A limit (a draw's name: as many images a step as the draw has), hidden units, and an optimizer."""


class StepBudget(Study):
    """Learning rates tuned under the limit, and the runs with the best of them."""

    chapter = 3
    controls_named = _CONTROLS

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
        """Runs by limit, hidden units and optimizer, the controls among them."""
        runs = pd.concat([_with_cell(self.final), _with_cell(self.controls)])
        runs = runs.sort_values(["limit", "hidden"], ascending=[False, True], kind="stable")
        return dict(iter(runs.groupby(["limit", "hidden", "optimizer"], sort=False)))

    @cached_property
    def curves(self) -> dict[Cell, pd.DataFrame]:
        """Their evaluations."""
        return {
            cell: (self.controls if cell[2] in set(self.controls.runs.optimizer) else self.final).curves(runs)
            for cell, runs in self.cells.items()
        }

    @cached_property
    def comparisons(self) -> dict[tuple[str, int, str, str], tuple[Difference, float]]:
        """Paired differences of selections to controls, with p by Holm; keys are a cell and a control."""
        return corrected(
            {
                (limit, hidden, name, control): each
                for (limit, hidden, name), runs in self.cells.items()
                if name not in _CONTROLS
                for control in _CONTROLS
                if (each := difference(runs, self.cells[limit, hidden, control])) is not None
            }
        )

    @cached_property
    def target(self) -> float:
        """Accuracy that speed is measured to: declared, else nine tenths and a half of tuned SGD's."""
        declared = _TARGET.get(self.place.dataset)
        return share_of_best(self.tuning.runs, 0.95) if declared is None else declared

    def tried(self, name: str) -> pd.DataFrame:
        """Return the runs in which an optimizer's rate was tuned."""
        runs = self.tuning.runs
        return runs if name in set(runs.optimizer) else self.controls_tuning.runs

    def best(self, limit: str, hidden: int) -> str:
        """Return the selection with the fewest validation errors."""
        tuned = fewest_errors(_with_cell(self.tuning), ["limit", "hidden"])
        here = tuned[(tuned.limit == limit) & (tuned.hidden == hidden) & ~tuned.optimizer.isin(_CONTROLS)]
        return str(here.set_index("optimizer").errors.idxmin())

    def reached(self, limit: str) -> str:
        """Return which entries have the paper's figure: not all of them select."""
        target = self.place.claimed(limit, "test_accuracy")
        names = [
            f"{called(name)} with {hidden} hidden units"
            for (where, hidden, name), runs in self.cells.items()
            if where == limit and target and (mean := mean_accuracy(runs)) and mean.mean >= target
        ]
        return ", ".join(names) or "none"

    @property
    def cheaper_scores(self) -> str:
        """The recorded table of what cheaper scores buy; it is of MNIST."""
        file = self.place.root / "bench/cheaper_scoring.md"
        if self.place.suffix or not file.exists():
            return ""
        return "\n".join(
            line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("|")
        )

    def figures(self) -> dict[str, Figure]:
        """Return the curves of the paper's network."""
        found = {}
        for limit in SMALL:
            curves = [rows for cell, rows in self.curves.items() if cell[:2] == (limit, _HIDDEN)]
            found[f"step_budget_{limit}"] = learning_curves(lines(pd.concat(curves)), "steps")
        return found

    def claims(self) -> list[Claim]:
        """Return accuracy and speed with so few images a step."""
        sizes = dict.fromkeys(hidden for _, hidden, _ in self.cells)
        accuracies = [self._accuracy(limit, hidden) for limit in SMALL for hidden in sizes]
        return [*accuracies, *(self._speed(limit) for limit in SMALL)]

    def _accuracy(self, limit: str, hidden: int) -> Claim:
        target, chosen = self.place.claimed(limit, "test_accuracy"), self.best(limit, hidden)
        sides = {name: side(name, self.cells[limit, hidden, name]) for name in (chosen, *_CONTROLS)}
        figures = [
            figure(each, None, "accuracy", mean, target=target if name == chosen else None)
            for name, each in sides.items()
            if (mean := mean_accuracy(self.cells[limit, hidden, name])) is not None
        ]
        for control in _CONTROLS:
            if (limit, hidden, chosen, control) in self.comparisons:
                less, p = self.comparisons[limit, hidden, chosen, control]
                compared = sides[chosen], sides[control]
                figures.append(figure(*compared, "points more", less.estimate, target=0.0, p=p))
        words = f"{f'{target} %' if target else 'accuracy'}, {SMALL[limit].budget}, {hidden} hidden units"
        return Claim(f"step budget {limit}, {hidden}", words, "step budget (all labels)", figures)

    def _speed(self, limit: str) -> Claim:
        chosen = self.best(limit, _HIDDEN)
        curves = {name: self.curves[limit, _HIDDEN, name] for name in (chosen, *_CONTROLS)}
        own, figures = (chosen, curves[chosen]), []
        for command, timed in ((self.final, True), (self.controls, False)):
            others = {name: curves[name] for name in _CONTROLS if name in set(command.runs.optimizer)}
            figures += speed_figures(self.target, own, others, timed=timed)
        words = f"faster convergence, {SMALL[limit].budget}"
        protocol = f"step budget (all labels), {100 * self.target:g} %, {_HIDDEN} hidden units"
        return Claim(f"step budget's speed {limit}", words, protocol, figures)


def _best_points(tuning: Command) -> dict[tuple[str, str], str]:
    return {
        (f"{row.limit}_hidden_{row.hidden}", str(row.optimizer)): str(row.point)
        for row in fewest_errors(_with_cell(tuning), ["limit", "hidden"]).itertuples()
    }


def _with_cell(command: Command) -> pd.DataFrame:
    """Return the runs with the columns ``limit`` and ``hidden``.

    The controls have no limit of their own: they belong to the one whose candidates they look at.
    """
    hidden = command.values("model.hidden").map(lambda units: units[0])
    limits = command.values("training.step_budget").map({draw.images: name for name, draw in SMALL.items()})
    candidates = command.values("training.batch_size").map(_CANDIDATES)
    return command.runs.assign(limit=limits.fillna(candidates), hidden=hidden)
