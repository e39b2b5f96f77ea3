"""Where selection helps: a map of wins, ties and losses of DBA over data sets and kinds of noise."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from os.path import relpath
from pathlib import Path
from typing import ClassVar

import pandas as pd
from matplotlib.figure import Figure

from dba_cli.plots import difference_map
from reproduction.choose import final_config
from reproduction.claims import Claim, figure, side
from reproduction.command import CONFIGS, Command, Place
from reproduction.statistics import Difference, mean_accuracy
from reproduction.studies.wrong_labels import (
    WrongLabels,
    against,
    best_peer,
    best_tries,
    going_on,
    noise_words,
    noises,
    outcome,
)
from reproduction.study import Study

_PLAIN = "sgd"
# Data sets in the order of running; {} is the title of the official one that is reproduced on.
_SETS = {
    "digits": "scikit-learn's digits, 300 images",
    "mnist_100": "{}, 100 images",
    "mnist_600": "{}, 600 images",
    "imbalance": "{}, a long tail of 600 images",
    "redundancy": "{}, 100 images five times each",
    "breast_cancer": "scikit-learn's breast cancer, 160 rows",
    "wine": "scikit-learn's wine, 75 rows",
    "colour": "CIFAR-10, 1 000 images as JPEG",
    "mnist_60000": "{}, all images for two epochs",
}
_FEWER_SEEDS = {"colour": "0-4", "mnist_60000": "0-4"}  # each run takes long
_FOLDER = CONFIGS / "where_it_helps"


@dataclass(frozen=True)
class DataSet:
    """What is trained on, and its two commands: the file of the first is ``where_it_helps/NAME.yaml``.

    Args:
        place: of the results.
        name: of the file.
        title: what the report calls it.
        seeds: of the final runs.
    """

    place: Place
    name: str
    title: str
    seeds: str = "0-9"

    @cached_property
    def tuning(self) -> Command:
        """Every way with every rate, on the validation split."""
        return Command(
            self.place, f"where_it_helps_{self.name}_tuning", _FOLDER / f"{self.name}.yaml", grid=True
        )

    @cached_property
    def final(self) -> Command:
        """What goes on of them, on the test set."""
        path = _FOLDER / f"{self.name}_final.yaml"
        return Command(self.place, f"where_it_helps_{self.name}", path, chosen=True)

    @property
    def rows(self) -> list[str]:
        """What is wrong with it, row by row of the map."""
        data = [point.config.data for point in self.tuning.points]
        sections = [[each and each.model_dump() for each in (d.noise, d.imbalance)] for d in data]
        return list(dict.fromkeys(noise_words(*each) for each in sections))

    @property
    def shown(self) -> str:
        """The command that makes both."""
        dataset = f" --dataset {self.place.dataset}" if self.place.suffix else ""
        return f"python -m reproduction run {self.tuning.name} {self.final.name}{dataset}"

    def chosen(self, ours: set[str]) -> str:
        """Return the config of the final runs: each way that goes on, with its best rate."""
        best = {}
        for row in going_on(best_tries(self.tuning), ours, _PLAIN).itertuples():
            name = re.sub(r"[^a-z0-9]+", "_", str(row.noise))
            way = re.match("[a-z_]+", str(row.point))[0]  # its learning rate is what else the name says
            best[name if way == "rate" else f"{name}_{way}", str(row.optimizer)] = str(row.point)
        words = json.dumps(f"Where selection helps, official test set: {self.title}.")
        head = (
            f"# Written by `python -m reproduction choose` from results/reproduction/{self.tuning.name}:\n"
            "# DBA, its controls, plain training and the best peers there, each with its best rate.\n\n"
            f"extends: {relpath(self.tuning.path, self.final.path.parent)}\n\n"
            f"experiment: {{name: {self.final.name}, description: {words}}}\n"
            f"data: {{evaluate_on: test}}\nseeds: {self.seeds}\n"
        )
        return final_config(self.tuning, self.final, best, head=head)


class WhereItHelps(Study):
    """DBA less plain training, the best peer and its controls, wherever they were tuned and confirmed."""

    chapter = 7
    KINDS: ClassVar = {
        "right labels": "no wrong labels",
        "labels wrong at random": "% wrong",
        "labels taken for the next class": "% taken",
    }
    COLUMNS: ClassVar = {
        "dba_losses": "losses",
        "dba_norms": "norms",
        "dba_model": "one subset",
        "tilted": "tilt",
    }

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.wrong_labels = WrongLabels(place)
        ours = {name: words for name, words in _SETS.items() if "{}" in words or not place.suffix}
        self.sets = [
            DataSet(place, name, words.format(place.title), _FEWER_SEEDS.get(name, "0-9"))
            for name, words in ours.items()
        ]

    @property
    def commands(self) -> list[Command]:
        """Return both commands of each data set."""
        return [command for each in self.sets for command in (each.tuning, each.final)]

    @property
    def ready(self) -> bool:
        """Return whether there are final runs of any data set."""
        return any(len(each.final.runs) for each in self.sets)

    def chosen(self) -> dict[Path, str]:
        """Return the config of the final runs of each data set that is tuned."""
        return {each.final.path: each.chosen(self._ours) for each in self.sets if len(each.tuning.runs)}

    @property
    def _ours(self) -> set[str]:
        return {self.wrong_labels.DBA, *self.wrong_labels.CONTROLS}

    @cached_property
    def groups(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Final runs by row of the map and optimizer; of the study of wrong labels, too."""
        found = {}
        if self.wrong_labels.ready:
            title = _SETS["mnist_600"].format(self.place.title)
            ours = self.wrong_labels
            found = {
                (f"{title}: {noise}", name): ours.groups[noise, name]
                for noise in ours.noises
                for name in ours.names
                if (noise, name) in ours.groups
            }
        for each in self.sets:
            if len(each.final.runs):
                runs = each.final.runs.assign(row=f"{each.title}: " + noises(each.final))
                found |= dict(iter(runs.groupby(["row", "optimizer"], sort=False)))
        return found

    @property
    def rows(self) -> list[str]:
        """The rows of the map that have runs."""
        return list(dict.fromkeys(row for row, name in self.groups if name == self.wrong_labels.DBA))

    @property
    def not_run(self) -> dict[str, str]:
        """The rows that have none, and the command that makes them."""
        rows = {f"{each.title}: {words}": each.shown for each in self.sets for words in each.rows}
        return {row: command for row, command in rows.items() if row not in self.rows}

    @cached_property
    def comparisons(self) -> dict[tuple[str, str], tuple[Difference, float]]:
        """DBA less every other, paired by seed, p by Holm among all of them; keys are row and other."""
        return against(self.groups, self.wrong_labels.DBA)

    @cached_property
    def compared(self) -> dict[tuple[str, str], tuple[str, Difference, float]]:
        """The map: by row and column the other's name, DBA less it, and p."""
        found = {}
        for row in self.rows:
            others = {"plain": _PLAIN, "best peer": best_peer(self.groups, row, {*self._ours, _PLAIN})}
            for column, name in {**others, **{words: name for name, words in self.COLUMNS.items()}}.items():
                if (row, name) in self.comparisons:
                    found[row, column] = (name, *self.comparisons[row, name])
        return found

    @property
    def columns(self) -> list[str]:
        """The columns of the map."""
        return ["plain", "best peer", *self.COLUMNS.values()]

    @property
    def peers(self) -> dict[str, Counter[str]]:
        """How often DBA won, tied and lost against each peer, over the rows where it was confirmed."""
        found: dict[str, Counter[str]] = {}
        for (_, name), each in self.comparisons.items():
            if name not in self._ours:
                found.setdefault(name, Counter())[outcome(*each)] += 1
        return dict(sorted(found.items(), key=lambda item: -item[1].total()))

    def counted(self, column: str, labels: str) -> Counter[str]:
        """Return how often DBA won, tied and lost in a column, over the rows with labels of one of KINDS."""
        pattern = self.KINDS[labels]
        return Counter(
            outcome(less, p)
            for (row, where), (_, less, p) in self.compared.items()
            if where == column and re.search(pattern, row)
        )

    def figures(self) -> dict[str, Figure]:
        """Return the map."""
        cells = {
            key: (less.estimate.mean, outcome(less, p) != "tie")
            for key, (_, less, p) in self.compared.items()
        }
        return {"where_it_helps": difference_map(cells, self.rows, self.columns)}

    def claims(self) -> list[Claim]:
        """Return for each row DBA's accuracy, and how it differs from what the map has beside it."""
        return [self._claim(row) for row in self.rows]

    def _claim(self, row: str) -> Claim:
        runs = self.groups[row, self.wrong_labels.DBA]
        of, mean = side(self.wrong_labels.DBA, runs), mean_accuracy(runs)
        figures = [] if mean is None else [figure(of, None, "accuracy", mean)]
        for column in self.columns:
            if (row, column) in self.compared:
                name, less, p = self.compared[row, column]
                other = side(name, self.groups[row, name])
                figures.append(figure(of, other, "points more", less.estimate, target=0.0, p=p))
        return Claim(f"map {row}", row, str(runs.protocol.iloc[0]), figures)
