"""The record for few labels: one hidden layer, taught by a network that saw no other image than it did."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pandas as pd

from dba_cli.config import load_sweep
from dba_cli.data import load
from dba_cli.experiments import drawn
from dba_cli.records import write_atomically
from reproduction.claims import Claim, figure, judged, side
from reproduction.command import Command, Place
from reproduction.markdown import interval
from reproduction.statistics import difference, mean_accuracy
from reproduction.study import Study

_DRAWS = {
    "10_per_class": "10 per class (100 images), random draws",
    "60_per_class": "60 per class (600 images), random draws",
    "1pct": "1 % (600 images), random draws",
    "rmnist_10": "RMNIST/10, one listed draw of 10 per class (Nielsen 2017)",
}
# Declared before any of these runs: accuracy, per cent, mean of ten random draws.
_TARGETS = {"10_per_class": 97.44, "1pct": 98.8}


class FewLabels(Study):
    """Six cells and one listed draw; what the teacher is worth."""

    chapter = 6
    TARGETS: ClassVar = _TARGETS

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.record = Command(place, "few_labels")
        self.ablations = Command(place, "few_labels_ablations")
        self.listed = Command(place, "few_labels_listed")
        self.plain = Command(place, "few_labels_plain")
        self.larger = Command(place, "few_labels_600")

    @property
    def ready(self) -> bool:
        """Return whether there are runs of the record itself; what else has not run is said."""
        return len(self.record.runs) > 0

    @cached_property
    def cells(self) -> dict[str, tuple[pd.DataFrame | None, pd.DataFrame | None]]:
        """The runs without and with deformed copies, None where there are none, by the words of the draw."""
        plain, deformed = _by_point(self.plain), {}
        for command in (self.record, self.larger, self.listed):
            deformed |= _by_point(command)
        return {words: (plain.get(name), deformed.get(name)) for name, words in _DRAWS.items()}

    @property
    def best(self) -> pd.DataFrame:
        """The runs of the record: 10 random images per class, with deformed copies."""
        return _by_point(self.record)["10_per_class"]

    @property
    def untaught(self) -> pd.DataFrame | None:
        """The same without the teacher, on the first of the draws; None where that has not run."""
        return _by_point(self.ablations).get("no_teacher")

    def verdict(self, name: str) -> str:
        """Return in words whether a target is reached."""
        runs, target = self.cells[_DRAWS[name]][1], _TARGETS[name]
        mean = None if runs is None else mean_accuracy(runs)
        found = "not run" if mean is None else f"{interval(mean)} %: {judged(mean, target, 'accuracy')}"
        return f"{_DRAWS[name]}: {target} % wanted, {found}"

    def after_run(self, data_dir: Path) -> None:
        """Write which images the random draws took: their indices, a row per draw and seed."""
        data = load(self.place.dataset, "official", data_dir, notify=print)
        rows = []
        for command in (self.record, self.larger):
            for point in load_sweep(command.path, command.overrides).points:
                for seed in point.config.seeds:
                    indices = drawn(point.config.data, data, seed).tolist()
                    rows.append({"draw": point.name, "seed": seed, "indices": " ".join(map(str, indices))})
        text = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")
        write_atomically(self.record.folder / "draws.csv", text)

    def claims(self) -> list[Claim]:
        """Return the two targets, reached or missed, and what the teachers add."""
        found = []
        for name, target in {} if self.place.suffix else _TARGETS.items():
            runs = self.cells[_DRAWS[name]][1]
            if runs is None or (mean := mean_accuracy(runs)) is None:
                continue
            taught = side("adam, taught", runs)
            figures = [figure(taught, None, "accuracy", mean, target=target)]
            alone = self.untaught if name == "10_per_class" else None
            if alone is not None and (more := difference(runs, alone)) is not None:
                without = side("adam, without a teacher", alone)
                figures.append(figure(taught, without, "points more", more.estimate, target=0.0))
            found.append(
                Claim("ours", f"goal {target} %, {_DRAWS[name]}", "deformed copies, a teacher", figures)
            )
        return found


def _by_point(command: Command) -> dict[str, pd.DataFrame]:
    return dict(iter(command.runs.groupby("point", sort=False))) if len(command.runs) else {}
