"""Wrong labels: DBA, its controls and the field's peers, tuned alike where no right label is seen."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from reproduction.choose import entry, fewest_errors, final_config
from reproduction.claims import Claim, figure, side
from reproduction.command import Command, Place
from reproduction.markdown import score
from reproduction.statistics import LEVEL, Difference, corrected, difference, mean_accuracy
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
_CONFIRMED = 3  # peers for each noise that are tried on the test set, beside plain training

Groups = Mapping[tuple[str, str], pd.DataFrame]
"""Runs by cell of a table and optimizer."""


class WrongLabels(Study):
    """Every way tuned with one budget on labels as wrong as its own, and confirmed on fresh draws."""

    chapter = 6
    DBA: ClassVar = "dba"
    CONTROLS: ClassVar = _CONTROLS
    TOLD: ClassVar = {"small_loss", "co_teaching"}  # how much is wrong

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.tuning = Command(place, "wrong_labels_tuning")
        self.final = Command(place, "wrong_labels", chosen=True)
        self.subsets_tuning = Command(place, "wrong_labels_subsets_tuning")

    def chosen(self) -> dict[Path, str]:
        """Return the config of the final runs."""
        tuned = self.tuned[self.tuned.apply(self._goes_on, axis=1)]
        # What only some optimizers have, such as a network of its own, stands in a point of its own.
        points = tuned.point.str.replace(r"(_try)?\d+$", "", regex=True)
        best = dict(zip(zip(points, tuned.optimizer, strict=True), tuned.point, strict=True))
        return {self.final.path: final_config(self.tuning, self.final, best)}

    @cached_property
    def tuned(self) -> pd.DataFrame:
        """The best try of each optimizer for each noise: noise, optimizer, point, errors."""
        return _best_tries(self.tuning)

    @cached_property
    def validated(self) -> dict[tuple[str, str], str]:
        """Accuracy of each best try on the validation split with labels as wrong, per cent."""
        both = pd.concat([self.tuned, _best_tries(self.subsets_tuning)])
        images = int(self.tuning.runs.evaluated.iloc[0])
        return {(row.noise, row.optimizer): score(row.errors, images) for row in both.itertuples()}

    def _goes_on(self, row: pd.Series) -> bool:
        """Return whether a row of ``tuned`` is tried on the test set: the best peers by validation are."""
        if row.optimizer in self._ours or row.optimizer == "sgd":
            return True
        here = self.tuned[(self.tuned.noise == row.noise) & ~self.tuned.optimizer.isin({*self._ours, "sgd"})]
        return row.optimizer in set(here.nsmallest(_CONFIRMED, "errors").optimizer)

    @cached_property
    def groups(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Final runs by noise and optimizer."""
        runs = self.final.runs.assign(noise=_noises(self.final))
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
        return _against(self.groups, self.DBA)

    def outcome(self, noise: str, name: str) -> str:
        """Return how DBA came out against another: win, tie or loss."""
        return outcome(*self.comparisons[noise, name])

    def said(self, noise: str) -> str:
        """Return in words how DBA came out against the peers, and whether the declared target is reached."""
        found: dict[str, list[str]] = {"win": [], "tie": [], "loss": []}
        peers = [name for name in self.names if name not in self._ours and (noise, name) in self.comparisons]
        for name in peers:
            found[self.outcome(noise, name)].append(f"`{name}`")
        counts = {"better than": "win", "not told apart from": "tie", "worse than": "loss"}
        parts = [f"{words} {', '.join(found[kind])}" for words, kind in counts.items() if found[kind]]
        words = f"It is {'; '.join(parts)}." if parts else ""
        target, mean = _TARGETS.get(noise), mean_accuracy(self.groups[noise, self.DBA])
        if target is None or mean is None:
            return words
        return f"{words} The target of {target} % is {'reached' if mean.mean >= target else 'missed'}."

    def best_peer(self, noise: str) -> str:
        """Return the peer with the best mean in the final runs: the hardest to beat, seen afterwards."""
        means = {
            name: mean.mean
            for (where, name), runs in self.groups.items()
            if where == noise and name not in self._ours and (mean := mean_accuracy(runs)) is not None
        }
        return max(means, key=means.__getitem__)

    def kept(self, noise: str, name: str) -> str:
        """Return the settings that the tuning chose, for the table."""
        runs = self.groups[noise, name]
        stopping = runs.iloc[0].get("training.early_stopping")
        return settings(entry(runs) | (stopping if isinstance(stopping, dict) else {}))

    def claims(self) -> list[Claim]:
        """Return for each noise DBA's accuracy, and how it differs from plain training, peer and controls."""
        return [self._claim(noise) for noise in self.noises if (noise, self.DBA) in self.groups]

    def _claim(self, noise: str) -> Claim:
        of = side(self.DBA, self.groups[noise, self.DBA])
        figures = []
        if (mean := mean_accuracy(self.groups[noise, self.DBA])) is not None:
            figures.append(figure(of, None, "accuracy", mean, target=_TARGETS.get(noise)))
        for name in dict.fromkeys(("sgd", self.best_peer(noise), *_CONTROLS)):
            if (noise, name) in self.comparisons:
                less, p = self.comparisons[noise, name]
                other = side(name, self.groups[noise, name])
                plain = noise == "no wrong labels" and name == "sgd"
                target, tested = (_MARGIN, None) if plain else (0.0, p)
                figures.append(figure(of, other, "points more", less.estimate, target=target, p=tested))
        protocol = str(self.groups[noise, self.DBA].protocol.iloc[0])
        return Claim("labels", f"600 images, {noise}", protocol, figures)


def outcome(less: Difference, p: float) -> str:
    """Return win, tie or loss: of the first, with a corrected p below 0.05."""
    return "tie" if p >= LEVEL else "win" if less.estimate.mean > 0 else "loss"


def _best_tries(tuning: Command) -> pd.DataFrame:
    """Return the best try of each optimizer for each noise: noise, optimizer, point, errors."""
    return fewest_errors(tuning.runs.assign(noise=_noises(tuning)), ["noise"])


def _against(groups: Groups, name: str) -> dict[tuple[str, str], tuple[Difference, float]]:
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


def _noises(command: Command) -> pd.Series:
    """Return what is wrong with the labels of each run."""
    return command.values("data.noise").map(_words)


def _words(noise: dict[str, Any] | None) -> str:
    if noise is None:
        return "no wrong labels"
    kind = {"symmetric": "wrong", "pair": "taken for the next class"}[noise["kind"]]
    return f"{100 * noise['rate']:g} % {kind}"
