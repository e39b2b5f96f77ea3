"""Wrong labels: DBA, its controls and the field's peers, tuned alike where no right label is seen."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from matplotlib.figure import Figure as Picture

from dba_cli.comparison import Estimate, called
from dba_cli.plots import accuracy_along
from reproduction.choose import entry, fewest_errors, final_config
from reproduction.claims import Claim, Figure, figure, side
from reproduction.command import Command, Place
from reproduction.markdown import score
from reproduction.statistics import LEVEL, Difference, best, corrected, difference, mean_accuracy
from reproduction.study import Study

_CONTROLS = {
    "dba_losses": "the same recipe on losses",
    "dba_norms": "the same recipe on gradient norms",
    "dba_model": "one subset for the whole model",
    "tilted": "the tilt of the weights alone, on every sample (TERM, Li et al. 2021)",
}
# Declared before any run of this study: accuracy of DBA, and how far below plain training it may be at none.
_TARGETS = {"20 % wrong": 86.3, "40 % wrong": 83.5, "60 % wrong": 75.0}
_MARGIN = -0.3
_BEST = "best of the other remedies"
_CONFIRMED = 3  # peers for each noise that are tried on the test set, beside plain training

Groups = Mapping[tuple[str, str], pd.DataFrame]
"""Runs by cell of a table and optimizer."""


class WrongLabels(Study):
    """Every way tuned with one budget on labels as wrong as its own, and confirmed on fresh draws."""

    chapter = 6
    NAME: ClassVar = "wrong_labels"  # of its commands and its figure
    TITLE: ClassVar = "600 images"
    KEYS: ClassVar = ("labels", "recipe")  # what the keys of its claims begin with
    PLAIN: ClassVar = "sgd"
    DBA: ClassVar = "dba"
    CONTROLS: ClassVar = _CONTROLS
    SUBSETS: ClassVar = True  # whether what selects for speed is tuned, too
    CURVES: ClassVar = False
    TOLD: ClassVar = {"small_loss", "co_teaching"}  # how much is wrong

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.tuning = Command(place, f"{self.NAME}_tuning")
        self.final = Command(place, self.NAME, chosen=True, curves_kept=self.CURVES)
        self.tunings = [self.tuning]
        if self.SUBSETS:
            self.subsets_tuning = Command(place, f"{self.NAME}_subsets_tuning")
            self.tunings.append(self.subsets_tuning)

    def chosen(self) -> dict[Path, str]:
        """Return the config of the final runs."""
        tuned = going_on(self.tuned, self._ours, self.PLAIN)
        # What only some optimizers have, such as a network of its own, stands in a point of its own.
        points = tuned.point.str.replace(r"(_try)?\d+$", "", regex=True)
        best = dict(zip(zip(points, tuned.optimizer, strict=True), tuned.point, strict=True))
        return {self.final.path: final_config(self.tuning, self.final, best)}

    @cached_property
    def tuned(self) -> pd.DataFrame:
        """The best try of each optimizer for each noise: noise, optimizer, point, errors."""
        return best_tries(self.tuning)

    @cached_property
    def validated(self) -> dict[tuple[str, str], str]:
        """Accuracy of each best try on the validation split with labels as wrong, per cent."""
        tries = pd.concat([best_tries(tuning) for tuning in self.tunings])
        images = int(self.tuning.runs.evaluated.iloc[0])
        return {(row.noise, row.optimizer): score(row.errors, images) for row in tries.itertuples()}

    @cached_property
    def groups(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Final runs by noise and optimizer."""
        runs = self.final.runs.assign(noise=noises(self.final))
        return dict(iter(runs.groupby(["noise", "optimizer"], sort=False)))

    @property
    def noises(self) -> list[str]:
        """What is wrong with the labels, from nothing on."""
        return sorted({noise for noise, _ in self.groups}, key=lambda noise: (noise[0].isdigit(), noise))

    @property
    def names(self) -> list[str]:
        """The optimizers: DBA and its controls first."""
        found = dict.fromkeys(name for _, name in self.groups)
        return [n for n in (self.DBA, *_CONTROLS) if n in found] + [n for n in found if n not in self._ours]

    @property
    def _ours(self) -> set[str]:
        return {self.DBA, *_CONTROLS}

    @cached_property
    def comparisons(self) -> dict[tuple[str, str], tuple[Difference, float]]:
        """DBA less every other, paired by seed, p by Holm among all of them; keys are noise and other."""
        return against(self.groups, self.DBA)

    def outcome(self, noise: str, name: str) -> str:
        """Return how DBA came out against another: win, tie or loss."""
        return outcome(*self.comparisons[noise, name])

    def said(self, noise: str) -> str:
        """Return in words how DBA came out against the peers, and whether the declared target is reached."""
        found: dict[str, list[str]] = {"win": [], "tie": [], "loss": []}
        peers = [name for name in self.names if name not in self._ours and (noise, name) in self.comparisons]
        for name in peers:
            found[self.outcome(noise, name)].append(called(name))
        counts = {"better than": "win", "not told apart from": "tie", "worse than": "loss"}
        parts = [f"{words} {', '.join(found[kind])}" for words, kind in counts.items() if found[kind]]
        words = f"It is {'; '.join(parts)}." if parts else ""
        target, mean = _TARGETS.get(noise), mean_accuracy(self.groups[noise, self.DBA])
        if target is None or mean is None:
            return words
        return f"{words} The target of {target} % is {'reached' if mean.mean >= target else 'missed'}."

    def best_peer(self, noise: str) -> str:
        """Return the peer with the best mean in the final runs: the hardest to beat, seen afterwards."""
        return best_peer(self.groups, noise, self._ours)

    def kept(self, noise: str, name: str) -> str:
        """Return the settings that the tuning chose, for the table."""
        runs = self.groups[noise, name]
        stopping = runs.iloc[0].get("training.early_stopping")
        return settings(entry(runs) | (stopping if isinstance(stopping, dict) else {}))

    def figures(self) -> dict[str, Picture]:
        """Return the accuracy along the share of wrong labels: of DBA, plain training, the best other."""
        lines: dict[str, dict[float, Estimate]] = {self.DBA: {}, _BEST: {}, self.PLAIN: {}}
        remarks = {}
        for noise in self.noises:
            share, peer = _share(noise), self.best_peer(noise)
            for line, name in ((self.DBA, self.DBA), (_BEST, peer), (self.PLAIN, self.PLAIN)):
                mean = mean_accuracy(self.groups[noise, name])
                if share is not None and mean is not None:
                    lines[line][share] = 0.01 * mean
                    remarks[_BEST, share] = called(peer)
        return {self.NAME: accuracy_along(lines, "Share of the 600 labels that is wrong, %", remarks)}

    def claims(self) -> list[Claim]:
        """Return for each noise DBA beside plain training and the best peer, and beside its controls."""
        noises = [noise for noise in self.noises if (noise, self.DBA) in self.groups]
        return [claim(noise) for claim in (self._claim, self._recipe) for noise in noises]

    def _claim(self, noise: str) -> Claim:
        of = side(self.DBA, self.groups[noise, self.DBA])
        figures = []
        if (mean := mean_accuracy(self.groups[noise, self.DBA])) is not None:
            figures.append(figure(of, None, "accuracy", mean, target=_TARGETS.get(noise)))
        for name in dict.fromkeys((self.PLAIN, self.best_peer(noise))):
            if (noise, name) in self.groups and (mean := mean_accuracy(self.groups[noise, name])) is not None:
                figures.append(figure(side(name, self.groups[noise, name]), None, "accuracy", mean))
        compared = self._compared(noise, self.PLAIN, self.best_peer(noise))
        key, words = f"{self.KEYS[0]} {noise}", f"{self.TITLE}, {noise}"
        return Claim(key, words, self._protocol(noise), [*figures, *compared])

    def _recipe(self, noise: str) -> Claim:
        words = f"{self.TITLE}, {noise}: DBA beside less of it"
        return Claim(
            f"{self.KEYS[1]} {noise}", words, self._protocol(noise), self._compared(noise, *_CONTROLS)
        )

    def _compared(self, noise: str, *names: str) -> list[Figure]:
        of, figures = side(self.DBA, self.groups[noise, self.DBA]), []
        for name in dict.fromkeys(names):
            if (noise, name) in self.comparisons:
                less, p = self.comparisons[noise, name]
                other = side(name, self.groups[noise, name])
                plain = noise == "no wrong labels" and name == self.PLAIN
                target, tested = (_MARGIN, None) if plain else (0.0, p)
                figures.append(figure(of, other, "points more", less.estimate, target=target, p=tested))
        return figures

    def _protocol(self, noise: str) -> str:
        return str(self.groups[noise, self.DBA].protocol.iloc[0])


def outcome(less: Difference, p: float) -> str:
    """Return win, tie or loss: of the first, with a corrected p below 0.05."""
    return "tie" if p >= LEVEL else "win" if less.estimate.mean > 0 else "loss"


def best_tries(tuning: Command) -> pd.DataFrame:
    """Return the best try of each optimizer for each noise: noise, optimizer, point, errors."""
    return fewest_errors(tuning.runs.assign(noise=noises(tuning)), ["noise"])


def going_on(tuned: pd.DataFrame, ours: set[str], plain: str) -> pd.DataFrame:
    """Return the rows of best tries that go on to the test set: ours, plain training, and the best peers."""
    always = tuned.optimizer.isin({*ours, plain})
    peers = tuned[~always].sort_values("errors", kind="stable").groupby("noise").head(_CONFIRMED)
    return tuned[always | tuned.index.isin(peers.index)]


def best_peer(groups: Groups, cell: str, no_peers: set[str]) -> str:
    """Return what has the best mean in a cell of all but ``no_peers``."""
    return best({n: runs for (where, n), runs in groups.items() if where == cell and n not in no_peers})[0]


def against(groups: Groups, name: str) -> dict[tuple[str, str], tuple[Difference, float]]:
    """Return one optimizer less every other, in each cell, with p by Holm among all of them."""
    return corrected(
        {
            (cell, other): each
            for (cell, other), runs in groups.items()
            if other != name
            and (cell, name) in groups
            and (each := difference(groups[cell, name], runs)) is not None
        }
    )


def settings(own: Mapping[str, Any]) -> str:
    """Return the values that were tuned, in words."""
    base, loss = own.get("base", own), own.get("loss") or {}
    found = {"rate": base["lr"]} | {k: v for k, v in loss.items() if k != "kind"}
    found |= {k: own[k] for k in ("share", "size", "tilt") if k in own}
    return ", ".join(
        f"{re.sub('_', ' ', key)} {value:g}" for key, value in found.items() if value is not None
    )


def noises(command: Command) -> pd.Series:
    """Return what is wrong with the labels of each run, and how uneven its classes are."""
    noise, tail = command.values("data.noise"), command.values("data.imbalance")
    return pd.Series(
        [noise_words(*each) for each in zip(noise, tail, strict=True)], noise.index, dtype=object
    )


def _share(noise: str) -> float | None:
    """Return how much is wrong, per cent; None for labels that are not wrong at random."""
    share, _, kind = noise.partition(" % ")
    return 0.0 if noise == "no wrong labels" else float(share) if kind == "wrong" else None


def noise_words(noise: Mapping[str, Any] | None, imbalance: Mapping[str, Any] | None = None) -> str:
    """Return ``data.noise`` and ``data.imbalance`` in words."""
    words = "no wrong labels"
    if noise is not None:
        kind = {"symmetric": "wrong", "pair": "taken for the next class"}[noise["kind"]]
        words = f"{100 * noise['rate']:g} % {kind}"
    return words if imbalance is None else f"{words}, classes 1:{imbalance['ratio']:g}"
