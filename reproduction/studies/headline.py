"""The headline figures by named means, every optimizer alike; the ladder and the ablations."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from dba_cli.plots import Rung, ladder
from reproduction.claims import Claim, figure, side
from reproduction.command import ROOT, Command, Place
from reproduction.statistics import difference, mean_accuracy
from reproduction.studies.few_labels import FewLabels
from reproduction.studies.paper_setting import PaperSetting
from reproduction.study import Study


@dataclass(frozen=True)
class Goal:
    """What one of the configs of the best figures is to reach.

    Args:
        draw: how many images, a name of SMALL.
        title: what it is called.
        accuracy: per cent; declared with the task, before any of these runs, for MNIST.
        rung: what it adds to the ladder.
    """

    draw: str
    title: str
    accuracy: float
    rung: str = ""


_GOALS = {
    "mnist_1pct_deformed": Goal("1pct", "1 % (600 images), random draw", 98.5),
    "mnist_10_per_class_deformed": Goal(
        "10_per_class", "10 per class (100 images), random draw", 96.5, "+ 2 000 hidden units, longer"
    ),
    "mnist_10_per_class_selected_deformed": Goal(
        "10_per_class", "10 per class, selected draw", 97.6, "+ selected draw"
    ),
}
_FIRST_RUNG = "plain, tuned (10 seeds)"
_RUNGS = {
    "affine": "+ affine deformations (800 hidden units, 2 000 steps)",
    "elastic": "+ elastic deformations",
    "thickness": "+ stroke thickness",
    "deskewed": "+ deskewing, standardised pixels",
    "smoothed": "+ label smoothing",
}
_TAUGHT = "random draw again, + a convolutional teacher"
Runs = dict[str, pd.DataFrame]
"""Runs by optimizer, or by what was changed."""


class Headline(Study):
    """The three configs of the best figures, and what each of their means is worth."""

    chapter = 5
    goals = _GOALS

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.paper_setting = PaperSetting(place)
        self.few_labels = FewLabels(place)
        self.main = {
            name: Command(place, name, ROOT / f"configs/{name}.yaml", sweep=False) for name in _GOALS
        }
        self.ladder = Command(place, "ladder")
        self.ablations = Command(place, "ablations")

    @property
    def commands(self) -> list[Command]:
        """Return the commands."""
        return [*self.main.values(), self.ladder, self.ablations]

    @property
    def ready(self) -> bool:
        """Return whether there are runs of every command, those of the ladder's first rung among them."""
        return super().ready and self.paper_setting.ready

    @property
    def main_command(self) -> str:
        """Return the three commands as one."""
        words = [command.shown.split() for command in self.main.values()]
        return " ".join(dict.fromkeys(word for each in words for word in each))

    @cached_property
    def runs(self) -> dict[str, Runs]:
        """Runs of the three configs by optimizer."""
        return {name: _by(command.runs, "optimizer") for name, command in self.main.items()}

    @cached_property
    def rungs(self) -> dict[str, Runs]:
        """Return the runs by optimizer, rung by rung: first the confirmation's, last the record's."""
        names = {"sgd": "sgd", "adam": "adam", "dba": "dba", "random": "random_for_dba"}
        plain, runs = self.paper_setting.confirmed, self.ladder.runs
        return {
            _FIRST_RUNG: {name: plain["10_per_class", entry] for name, entry in names.items()},
            **{title: _by(runs[runs.point == point], "optimizer") for point, title in _RUNGS.items()},
            **{each.rung: self.runs[n] for n, each in _GOALS.items() if each.rung},
            **({_TAUGHT: {"adam": self.few_labels.best}} if self.few_labels.ready else {}),
        }

    @cached_property
    def changed(self) -> Runs:
        """Runs of the ablations by what was changed."""
        return _by(self.ablations.runs, "point")

    def figures(self) -> dict[str, Figure]:
        """Return the ladder."""
        rungs = [
            Rung(title, name, 0.01 * mean, None if paper is None else paper / 100)
            for title, runs in self.rungs.items()
            for paper in [self._paper(title)]
            for name, here in runs.items()
            if (mean := mean_accuracy(here)) is not None
        ]
        return {"ladder": ladder(rungs)}

    def claims(self) -> list[Claim]:
        """Return our own goals, for every optimizer alike, and what the selection has to do with them."""
        return [self._goal(name) for name in self.main if not self.place.suffix]

    def _goal(self, name: str) -> Claim:
        goal, sides = _GOALS[name], {each: side(each, runs) for each, runs in self.runs[name].items()}
        figures = [
            figure(sides[each], None, "accuracy", mean, target=goal.accuracy)
            for each, runs in self.runs[name].items()
            if (mean := mean_accuracy(runs)) is not None
        ]
        if (less := difference(self.runs[name]["dba"], self.runs[name]["random"])) is not None:
            figures.append(figure(sides["dba"], sides["random"], "points more", less.estimate))
        return Claim("ours", f"goal {goal.accuracy} %, {goal.title}", "deformed copies", figures)

    def _paper(self, rung: str) -> float | None:
        """Return what the paper has for a rung of the ladder, per cent."""
        known = dict.fromkeys((goal.rung for goal in _GOALS.values()), "test_accuracy")
        known[_FIRST_RUNG] = "implied_accuracy"
        return self.place.claimed("10_per_class", known[rung]) if rung in known else None


def _by(runs: pd.DataFrame, column: str) -> Runs:
    return dict(iter(runs.groupby(column, sort=False)))
