"""Claims 1 to 4 under the paper's own setting: random draw, nothing but selection."""

from functools import cached_property
from itertools import product
from pathlib import Path
from typing import ClassVar

import pandas as pd

from dba_cli.comparison import error_reduction
from reproduction.choose import errors, fewest_errors, final_config, is_selection
from reproduction.claims import Claim, Side, figure, side
from reproduction.command import Command, Place
from reproduction.paper import SMALL
from reproduction.statistics import Difference, accuracies, corrected, difference, mean_accuracy
from reproduction.study import Study

_PLAIN = ("sgd", "momentum", "adam")


class PaperSetting(Study):
    """Every variant screened, the best and all baselines tuned, and these confirmed on fresh draws."""

    chapter = 1
    VARIANT: ClassVar = [f"optimizers.dba.{key}" for key in ("metric", "order", "scope")]

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.screening = Command(place, "screening", grid=True)
        self.rules = Command(place, "screening_rules", grid=True)
        self.tuning = Command(place, "tuning", grid=True)
        self.confirmation = Command(place, "confirmation", chosen=True)

    @cached_property
    def screened(self) -> pd.DataFrame:
        """Mean validation errors of every variant: rows are draw, base and variant, best first."""
        runs = self.screening.runs
        runs = runs.assign(base=_bases(self.screening), errors=errors(runs))
        return (
            runs.groupby(["draw", "base", *self.VARIANT], as_index=False).errors.mean().sort_values("errors")
        )

    def best_variant(self, base: str) -> dict[str, str]:
        """Return metric, order and scope with the fewest validation errors over both draws, for one base."""
        means = self.screened[self.screened.base == base].groupby(self.VARIANT).errors.mean()
        return dict(zip((key.rpartition(".")[2] for key in self.VARIANT), means.idxmin(), strict=True))

    @cached_property
    def tuned(self) -> pd.DataFrame:
        """Each optimizer's best point for each draw: draw, optimizer, point, errors, and its values."""
        runs = self.tuning.runs
        values = runs.drop(columns=["errors", "seed", "optimizer", "draw"]).drop_duplicates("point")
        return fewest_errors(runs, ["draw"]).merge(values, on="point")

    def chosen(self) -> dict[Path, str]:
        """Return the config of the confirmation."""
        names = self.tuned.draw + "_" + self.tuned.optimizer
        best_points = dict(zip(zip(names, self.tuned.optimizer, strict=True), self.tuned.point, strict=True))
        return {
            self.confirmation.path: final_config(self.tuning, self.confirmation, best_points, controls=True)
        }

    @cached_property
    def variants(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Screened variants by draw and base, best first."""
        return dict(iter(self.screened.groupby(["draw", "base"], sort=False)))

    @cached_property
    def rules_errors(self) -> dict[tuple[str, str, str], float]:
        """Mean validation errors of the other rules by draw, base and rule."""
        runs = self.rules.runs.assign(base=_bases(self.rules))
        finished = runs[runs.status == "finished"]
        return dict(finished.groupby(["draw", "base", "optimizers.dba.rule"]).errors.mean())

    @property
    def images(self) -> int:
        """Number of images in the validation split."""
        return int(self.screening.runs.evaluated.iloc[0])

    @cached_property
    def confirmed(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Runs of the confirmation by draw and optimizer."""
        return dict(iter(self.confirmation.runs.groupby(["draw", "optimizer"], sort=False)))

    @property
    def names(self) -> list[str]:
        """Optimizers of the confirmation, in their order."""
        return list(dict.fromkeys(name for _, name in self.confirmed))

    @cached_property
    def comparisons(self) -> dict[tuple[str, str, str], tuple[Difference, float]]:
        """Paired differences with p by Holm among all of them; keys are draw, DBA entry and baseline."""
        return corrected(
            {
                (draw, name, baseline): each
                for (draw, name), runs in self.confirmed.items()
                if is_selection(runs)
                for baseline in (*_PLAIN, f"random_for_{name}")
                if (draw, baseline) in self.confirmed
                and (each := difference(runs, self.confirmed[draw, baseline])) is not None
            }
        )

    def best_dba(self, draw: str) -> str:
        """Return the DBA entry with the fewest validation errors, of those that were tuned."""
        tuned = self.tuned[self.tuned.draw == draw].set_index("optimizer").errors
        return str(
            min((n for n in self.names if n in tuned and self._selects(draw, n)), key=tuned.__getitem__)
        )

    def points_tried(self) -> int:
        """Return how many points the tuning has for each draw."""
        return int(self.tuning.runs.groupby("draw").point.nunique().max())

    def claims(self) -> list[Claim]:
        """Return accuracy, error reduction and the part that selection has in them."""
        made = product((self._accuracy, self._reduction, self._contribution), SMALL)
        return [claim(draw) for claim, draw in made]

    def _accuracy(self, draw: str) -> Claim:
        target, name = self.place.claimed(draw, "test_accuracy"), self.best_dba(draw)
        figures = [
            figure(self._side(draw, each), None, "accuracy", mean, target=target if each == name else None)
            for each in (name, *_PLAIN)
            if (mean := mean_accuracy(self.confirmed[draw, each])) is not None
        ]
        words = f"{f'{target} %' if target else 'accuracy'} with {self._title(draw)}"
        return Claim(f"accuracy {draw}", words, "random draw", figures)

    def _reduction(self, draw: str) -> Claim:
        target, name = self.place.claimed(draw, "error_reduction"), self.best_dba(draw)
        own = accuracies(self.confirmed[draw, name])
        figures = []
        for baseline in ("sgd", "adam", f"random_for_{name}"):
            both = own.align(accuracies(self.confirmed[draw, baseline]), "inner")
            reduction = error_reduction([(100 - a, 100 - b) for a, b in zip(*both, strict=True)])
            if reduction is not None:
                sides = self._side(draw, name), self._side(draw, baseline)
                judged = target if baseline in _PLAIN else None
                figures.append(figure(*sides, "errors removed", 100 * reduction, target=judged))
        words = f"{f'{target} % ' if target else ''}fewer errors than SGD and Adam, {self._title(draw)}"
        return Claim(f"errors removed {draw}", words, "random draw", figures)

    def _contribution(self, draw: str) -> Claim:
        """Whether the selection does anything that random subsets of the same sizes do not."""
        figures = [
            figure(
                self._side(draw, name),
                self._side(draw, control),
                "points more",
                less.estimate,
                target=0.0,
                p=p,
            )
            for (where, name, control), (less, p) in self.comparisons.items()
            if where == draw and control == f"random_for_{name}"
        ]
        words = f"selection beside random subsets, {self._title(draw)}"
        return Claim(f"selection {draw}", words, "random draw", figures)

    def _selects(self, draw: str, name: str) -> bool:
        return is_selection(self.confirmed[draw, name])

    def _side(self, draw: str, name: str) -> Side:
        return side(name, self.confirmed[draw, name])

    def _title(self, draw: str) -> str:
        return SMALL[draw].long(self.place.title)


def _bases(command: Command) -> pd.Series:
    """Return the base optimizer of each run."""
    return command.values("optimizers.dba.base").map(
        lambda base: "momentum" if base.get("momentum") else base["kind"]
    )
