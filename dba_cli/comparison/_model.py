"""What a comparison says, as plain numbers.

Accuracies, errors and reductions are fractions of 1, as in the records; only the human formats
speak in per cent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from dba_cli.comparison._statistics import Estimate, mean_with_interval
from dba_cli.records import Evaluation, PaperFigures


@dataclass(frozen=True)
class Setting:
    """What all figures of one table share; runs that differ in any of it never stand in one table."""

    protocol: str
    dataset: str
    title: str
    source: str
    draw: tuple[tuple[str, float | str], ...]
    n_train: int
    n_test: int


@dataclass(frozen=True)
class Row:
    """One optimizer under one config.

    ``finished``, ``diverged`` and ``missing`` are seeds. ``accuracy`` is the mean over the
    finished seeds; ``vs_sgd`` and ``vs_adam`` are error reductions, paired by seed, and None for
    the baseline itself. ``planned`` is the number of seeds in the plan, and None, like everything
    that is measured against others, for a row that is not ``current``: whose config is not the one
    of the experiment's plan. ``paper`` is there where the runs can be held against it. ``settings`` are
    the config's values by dotted key, such as ``optimizer.lr``; empty where no record says them.
    ``finals`` are the last evaluations of the finished seeds.
    """

    optimizer: str
    kind: str | None
    selects: bool
    config_hash: str
    current: bool
    planned: int | None
    finished: tuple[int, ...]
    diverged: tuple[int, ...]
    missing: tuple[int, ...]
    accuracy: Estimate | None
    vs_sgd: Estimate | None
    vs_adam: Estimate | None
    paper: PaperFigures | None
    notes: tuple[str, ...]
    settings: Mapping[str, Any] = field(hash=False)
    finals: tuple[Evaluation, ...] = field(hash=False)

    def mean(self, figure: str) -> Estimate | None:
        """Return the mean of any figure of ``finals``, by its name; None where one of them lacks it."""
        values = [getattr(final, figure) for final in self.finals]
        return mean_with_interval(values) if values and None not in values else None

    @property
    def error(self) -> Estimate | None:
        """Return the mean error rate over the finished seeds."""
        accuracy = self.accuracy
        return None if accuracy is None else replace(accuracy, mean=1 - accuracy.mean)

    @property
    def paper_accuracy(self) -> float | None:
        """Return the paper's accuracy of DBA, or the one that its figures imply for SGD and Adam."""
        if self.paper is None:
            return None
        percent = self.paper.test_accuracy if self.selects else self.paper.implied_accuracy
        return None if percent is None else percent / 100

    @property
    def paper_difference(self) -> float | None:
        """Return our mean accuracy less the paper's, as a fraction."""
        paper = self.paper_accuracy
        return None if self.accuracy is None or paper is None else self.accuracy.mean - paper


@dataclass(frozen=True)
class Section:
    """One table: the runs of one experiment that share a setting.

    ``setting`` is None while no run of the plan is recorded, since only runs know their data.
    ``seeds`` are the plan's; ``sets`` is what a point of a sweep sets, by dotted key.
    """

    experiment: str
    description: str
    setting: Setting | None
    notice: str | None
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    sets: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Comparison:
    """The tables of one or more experiments."""

    sections: tuple[Section, ...]

    @property
    def incomplete(self) -> list[str]:
        """Return one line for each optimizer that lacks planned runs; empty when all are recorded.

        A diverged run is a result, and running it again would give it again: it is marked in the
        table but leaves nothing to complete.
        """
        return [
            f"{section.experiment}: {row.optimizer}: "
            f"{len(row.finished) + len(row.diverged)} of {row.planned} runs recorded, "
            f"{seeds_text(row.missing)} missing"
            for section in self.sections
            for row in section.rows
            if row.missing
        ]


def seeds_text(seeds: Iterable[int]) -> str:
    """Return ``seed 3`` or ``seeds 0-2, 7``."""
    numbers = list(seeds)
    return f"{'seed' if len(numbers) == 1 else 'seeds'} {ranges(numbers)}"


def ranges(numbers: Iterable[int]) -> str:
    """Return ``0-2, 7``."""
    numbered = enumerate(sorted(numbers))
    runs = [[number for _, number in run] for _, run in groupby(numbered, key=lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def data_text(dataset: str, title: str, source: str) -> str:
    """Return ``official MNIST`` or ``embedded MNIST sample``; of a user's own module the title alone."""
    if ":" in dataset:
        return title
    return f"embedded {title} sample" if source == "embedded" else f"{source} {title}"


def draw_text(draw: Iterable[tuple[str, float | str]]) -> str:
    """Return ``1 %`` or ``10 per class by facility location``; other draws by their keys."""
    parts = list(draw)
    sizes = ", ".join(_part(key, value) for key, value in parts if key != "by")
    chosen = [f" by {str(value).replace('_', ' ')}" for key, value in parts if key == "by"]
    return sizes + "".join(chosen)


def _part(key: str, value: float | str) -> str:
    if key == "fraction":
        return f"{100 * float(value):.10g} %"
    return f"{value} per class" if key == "per_class" else f"{key} {value}"
