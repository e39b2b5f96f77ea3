"""Wrong labels again, with a stronger training for every way: noise on the inputs, Adam, averaged weights."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pandas as pd

from reproduction.choose import entry, fewest_errors, final_config
from reproduction.claims import Claim, figure, side
from reproduction.command import Command, Place
from reproduction.statistics import Difference, mean_accuracy
from reproduction.studies.wrong_labels import WrongLabels, against, noises

_TRUSTED = 86.0  # declared before any run: accuracy with 5 trusted images per class and 40 % wrong


class NoisyInputs(WrongLabels):
    """The same tuning and confirmation; who is left out, when and by which layer; trusted images."""

    chapter = 8
    NAME: ClassVar = "noisy_inputs"
    TITLE: ClassVar = "600 images, noise on the inputs"
    KEYS: ClassVar = ("noisy inputs", "noisy inputs recipe")
    SUBSETS: ClassVar = False
    CURVES: ClassVar = True
    PLAIN: ClassVar = "adam"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.trusted_tuning = Command(place, "noisy_inputs_trusted_tuning")
        self.trusted = Command(place, "noisy_inputs_trusted", chosen=True)

    def chosen(self) -> dict[Path, str]:
        """Return the configs of the final runs, without trusted images and with them."""
        tries = (
            fewest_errors(self.trusted_tuning.runs, []) if len(self.trusted_tuning.runs) else pd.DataFrame()
        )
        best = {("trusted", str(row.optimizer)): str(row.point) for row in tries.itertuples()}
        with_trusted = (
            {self.trusted.path: final_config(self.trusted_tuning, self.trusted, best)} if best else {}
        )
        return super().chosen() | with_trusted

    def kept(self, noise: str, name: str) -> str:
        """Return the settings that the tuning chose, for the table."""
        steps = entry(self.groups[noise, name]).get("warmup_steps")
        words = super().kept(noise, name)
        return words if steps is None else f"{words}, {steps} steps before the first choice"

    @cached_property
    def with_trusted(self) -> dict[str, pd.DataFrame]:
        """The runs with trusted images, by optimizer."""
        return {str(name): runs for name, runs in self.trusted.runs.groupby("optimizer", sort=False)}

    @cached_property
    def beside_trusted(self) -> dict[str, tuple[Difference, float]]:
        """DBA with trusted images less every other use of them, paired by seed, p by Holm."""
        groups = {("", name): runs for name, runs in self.with_trusted.items()}
        return {name: found for (_, name), found in against(groups, self.DBA).items()}

    def left_out(self, name: str) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
        """Yield noise, layer, and of each stretch of training precision and recall of what is left out, %."""
        curves = self.final.histories
        curves = curves[(curves.optimizer == name) & (curves.step > 0)]
        words = dict(zip(self.final.runs.point, noises(self.final), strict=True))
        layers = [column.partition(".")[2] for column in curves if column.startswith("drop_recall.")]
        for point, runs in curves.groupby("point", sort=False):
            for layer in layers:
                columns = [f"drop_precision.{layer}", f"drop_recall.{layer}"]
                means = 100 * runs.groupby("step")[columns].mean()
                if means[columns[1]].notna().any():
                    yield words[point], layer, [tuple(row) for row in means.to_numpy()]

    @property
    def steps(self) -> list[int]:
        """The ends of the stretches of training."""
        return sorted(int(step) for step in self.final.histories.step.unique() if step > 0)

    def claims(self) -> list[Claim]:
        """Return those of every noise, and that of the trusted images."""
        found = super().claims()
        if self.DBA not in self.with_trusted:
            return found
        own = self.with_trusted[self.DBA]
        of, figures = side(self.DBA, own), []
        if (mean := mean_accuracy(own)) is not None:
            figures.append(figure(of, None, "accuracy", mean, target=_TRUSTED))
        for name, (less, p) in self.beside_trusted.items():
            other = side(name, self.with_trusted[name])
            figures.append(figure(of, other, "points more", less.estimate, target=0.0, p=p))
        words = f"{self.TITLE}, 40 % wrong, 5 trusted per class"
        return [*found, Claim("noisy inputs trusted", words, str(own.protocol.iloc[0]), figures)]
