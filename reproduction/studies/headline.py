"""The headline figures by named means, every optimizer alike; the ladder and the ablations."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from dba_cli.plots import Rung, ladder
from reproduction.claims import Claim, figure
from reproduction.command import ROOT, Command, Place
from reproduction.markdown import accuracy, interval, less, table
from reproduction.statistics import best, mean_accuracy, scaled
from reproduction.studies.paper_setting import PaperSetting
from reproduction.study import Study


@dataclass(frozen=True)
class Main:
    """One of the configs of the best figures.

    Args:
        draw: how many images, a name of SMALL.
        title: what it is called.
        goal: per cent; declared with the task, before any of these runs, for MNIST.
        rung: what it adds to the ladder.
    """

    draw: str
    title: str
    goal: float
    rung: str = ""


_MAIN = {
    "mnist_1pct_deformed": Main("1pct", "1 % (600 images), random draw", 98.5),
    "mnist_10_per_class_deformed": Main(
        "10_per_class", "10 per class (100 images), random draw", 96.5, "+ 2 000 hidden units, longer"
    ),
    "mnist_10_per_class_selected_deformed": Main(
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
Runs = dict[str, pd.DataFrame]
"""The runs of one config by optimizer."""


class Headline(Study):
    """The three configs of the best figures, and what each of their means is worth."""

    def __init__(self, place: Place, paper_setting: PaperSetting) -> None:
        super().__init__(place)
        self.paper_setting = paper_setting
        self.main = {name: Command(place, name, ROOT / f"configs/{name}.yaml", sweep=False) for name in _MAIN}
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

    def main_command(self) -> str:
        """Return the three commands as one."""
        words = [command.shown.split() for command in self.main.values()]
        return " ".join(dict.fromkeys(word for each in words for word in each))

    def figures_table(self) -> str:
        """Return the accuracies, beside Adam's and beside those over deformed copies."""
        rows = []
        for name, command in self.main.items():
            groups, paper = _by_optimizer(command.runs), self.place.paper(_MAIN[name].draw)
            for optimizer, runs in groups.items():
                copies = runs.assign(errors=runs.copies_errors)
                rows.append(
                    [
                        f"{_MAIN[name].title}: {optimizer}",
                        len(runs),
                        accuracy(runs),
                        less(runs, groups["adam"]),
                        accuracy(copies if copies.errors.notna().all() else None),
                        f"{_MAIN[name].goal} / {paper.accuracy}" if paper else "-",
                    ]
                )
        header = ["", "seeds", "test accuracy, %", "less adam, points", "averaged over copies, %"]
        return table([*header, "goal / paper"], rows)

    @cached_property
    def rungs(self) -> dict[str, Runs]:
        """Return the runs by optimizer, rung by rung: first the confirmation's, last the main configs'."""
        names = {"sgd": "sgd", "adam": "adam", "dba": "dba", "random": "random_for_dba"}
        plain, runs = self.paper_setting.confirmed, self.ladder.runs
        return {
            _FIRST_RUNG: {name: plain["10_per_class", entry] for name, entry in names.items()},
            **{title: _by_optimizer(runs[runs.point == point]) for point, title in _RUNGS.items()},
            **{each.rung: _by_optimizer(self.main[n].runs) for n, each in _MAIN.items() if each.rung},
        }

    def ladder_table(self) -> str:
        """Return the accuracies rung by rung."""
        names = list(self.rungs[_FIRST_RUNG])
        rows = [[title, *(accuracy(runs.get(n)) for n in names)] for title, runs in self.rungs.items()]
        return table(["rung", *(f"{name}, %" for name in names)], rows)

    def ablations_table(self) -> str:
        """Return the accuracies with one thing changed."""
        groups = {str(point): here for point, here in self.ablations.runs.groupby("point", sort=False)}
        rows = [
            [point.replace("_", " "), accuracy(runs), less(runs, groups["whole"])]
            for point, runs in groups.items()
        ]
        return table(["", "test accuracy, %", "less the whole, points"], rows)

    def figures(self) -> dict[str, Figure]:
        """Return the ladder."""
        paper = self.place.paper("10_per_class")
        known = {each.rung: paper.accuracy / 100 for each in _MAIN.values() if paper}
        known |= {_FIRST_RUNG: paper.baseline / 100} if paper else {}
        rows = [
            Rung(title, name, scaled(mean, 1 / 100), known.get(title))
            for title, runs in self.rungs.items()
            for name, here in runs.items()
            if (mean := mean_accuracy(here)) is not None
        ]
        return {"ladder": ladder(rows)}

    def claims(self) -> list[Claim]:
        """Return our own goals."""
        return [self._reached(name) for name in self.main if not self.place.suffix]

    def _reached(self, name: str) -> Claim:
        main, (optimizer, mean) = _MAIN[name], best(_by_optimizer(self.main[name].runs))
        return Claim(
            "ours",
            f"goal {main.goal} %, {main.title}",
            "deformed copies",
            f"{interval(mean)} ({optimizer})",
            "reached" if mean.mean >= main.goal else "missed",
            main.goal,
            [figure(optimizer, None, "test accuracy, %", mean)],
        )


def _by_optimizer(runs: pd.DataFrame) -> Runs:
    return {str(name): here for name, here in runs.groupby("optimizer", sort=False)}
