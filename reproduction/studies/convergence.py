"""Claim 5: steps, samples and seconds to fixed accuracies."""

from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from dba_cli.plots import learning_curves, targets
from reproduction.choose import final_config
from reproduction.claims import Claim, speed_figures
from reproduction.command import Command, Place
from reproduction.figures import lines
from reproduction.paper import DRAWS
from reproduction.statistics import reach, share_of_best
from reproduction.study import Study

# Declared before any run was looked at; accuracies as fractions.
_TARGETS = {
    "mnist": {"1pct": (0.80, 0.85, 0.87), "10_per_class": (0.65, 0.70, 0.74), "full": (0.85, 0.90, 0.95)}
}
_SHARES = (0.90, 0.95, 0.98)  # of what tuned SGD has in the end, where no target is declared
_BASELINES = ("sgd_25", "sgd", "random")


class Convergence(Study):
    """Learning rates tuned for speed, and the runs with the soonest of them."""

    chapter = 2

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.tuning = Command(place, "convergence_tuning", curves_kept=True)
        self.final = Command(place, "convergence", chosen=True, curves_kept=True)

    @cached_property
    def targets(self) -> dict[str, tuple[float, ...]]:
        """Accuracies that speed is measured to, by draw."""
        runs = self.tuning.runs
        return _TARGETS.get(self.place.dataset) or {
            draw: tuple(share_of_best(runs[runs.draw == draw], share) for share in _SHARES) for draw in DRAWS
        }

    def chosen(self) -> dict[Path, str]:
        """Return the config of the final runs: with the points that are soonest at the targets.

        The highest target counts first, then the next lower; where all are missed, the accuracy at the end.
        """
        soonest = {
            (draw, name): min(
                dict.fromkeys(runs.point), key=lambda point: self._how_soon(draw, runs[runs.point == point])
            )
            for (draw, name), runs in _groups(self.tuning).items()
        }
        return {self.final.path: final_config(self.tuning, self.final, soonest)}

    @cached_property
    def groups(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Final runs by draw and optimizer."""
        return _groups(self.final)

    @cached_property
    def curves(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Their evaluations."""
        return {key: self.final.curves(runs) for key, runs in self.groups.items()}

    def figures(self) -> dict[str, Figure]:
        """Return curves and times to the middle target."""
        found = {}
        for draw in DRAWS:
            drawn = lines(pd.concat([rows for (where, _), rows in self.curves.items() if where == draw]))
            found[f"convergence_{draw}"] = learning_curves(drawn, "samples")
            found[f"targets_{draw}"] = targets(drawn, self.targets[draw][1])
        return found

    def claims(self) -> list[Claim]:
        """Return the speed with each draw."""
        return [self._speed(draw) for draw in DRAWS]

    def _speed(self, draw: str) -> Claim:
        target = self.targets[draw][1]
        own = "dba", self.curves[draw, "dba"]
        others = {name: self.curves[draw, name] for name in _BASELINES}
        protocol = f"{'full training set' if draw == 'full' else 'random draw'}, {100 * target:g} %"
        words = f"faster convergence, {DRAWS[draw].short}"
        return Claim(f"speed {draw}", words, protocol, speed_figures(target, own, others))

    def _how_soon(self, draw: str, runs: pd.DataFrame) -> tuple[float, ...]:
        curves = self.tuning.curves(runs)
        last = curves[curves.step == curves.step.max()].accuracy.mean()
        return (*(reach(curves, target, "step") for target in reversed(self.targets[draw])), -last)


def _groups(command: Command) -> dict[tuple[str, str], pd.DataFrame]:
    return dict(iter(command.runs.groupby(["draw", "optimizer"], sort=False)))
