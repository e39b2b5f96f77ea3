"""What a comparison says, as plain numbers.

Accuracies, errors and reductions are fractions of 1, as in the records; only the human formats
speak in per cent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from dba_cli.comparison._statistics import Estimate, mean_with_interval
from dba_cli.records import Evaluation, ExperimentRecord, PaperFigures, RunRecord


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
    """The runs of one optimizer under one config, in order of their seeds; none where not yet run.

    ``vs_sgd`` and ``vs_adam`` are error reductions, paired by seed: None for the baseline itself and, like
    everything that is measured against others, for a row that is not ``current``.
    """

    optimizer: str
    config_hash: str
    plan: ExperimentRecord = field(hash=False)
    runs: tuple[RunRecord, ...] = field(default=(), hash=False)
    vs_sgd: Estimate | None = None
    vs_adam: Estimate | None = None
    notes: tuple[str, ...] = ()

    @property
    def current(self) -> bool:
        """Return whether the config is the one of the experiment's plan."""
        return self.plan.optimizers.get(self.optimizer) == self.config_hash

    @property
    def kind(self) -> str | None:
        """Return the optimizer's kind, which only runs know."""
        return self.runs[0].optimizer_kind if self.runs else None

    @property
    def selects(self) -> bool:
        """Return whether the optimizer selects samples."""
        return any(run.selects for run in self.runs)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Return the config's values by dotted key, such as ``optimizer.lr``; empty where not recorded."""
        return self.runs[0].settings if self.runs else {}

    @property
    def planned(self) -> int | None:
        """Return the number of seeds in the plan; None where it plans other runs."""
        return len(set(self.plan.seeds)) if self.current else None

    @property
    def counted(self) -> list[RunRecord]:
        """Return the runs that count: with the plan's config, the plan's seeds and no others."""
        return [run for run in self.runs if not self.current or run.seed in self.plan.seeds]

    @cached_property
    def finals(self) -> dict[int, Evaluation]:
        """Return the last evaluations of the runs that ended with figures, by seed."""
        return {run.seed: run.final for run in self.counted if run.final is not None}

    @property
    def finished(self) -> tuple[int, ...]:
        """Return the seeds that ended with figures."""
        return tuple(self.finals)

    @property
    def diverged(self) -> tuple[int, ...]:
        """Return the seeds that ended without figures."""
        return tuple(run.seed for run in self.counted if run.final is None)

    @property
    def missing(self) -> tuple[int, ...]:
        """Return the planned seeds without a record."""
        recorded = {run.seed for run in self.runs}
        return tuple(sorted(set(self.plan.seeds) - recorded)) if self.current else ()

    @property
    def errors(self) -> dict[int, int]:
        """Return the test errors of the finished runs, by seed."""
        return {seed: n for seed, final in self.finals.items() if (n := final.test_errors) is not None}

    def mean(self, figure: str) -> Estimate | None:
        """Return the mean of any figure of ``finals``, by its name; None where one of them lacks it."""
        values = [getattr(final, figure) for final in self.finals.values()]
        return mean_with_interval(values) if values and None not in values else None

    @cached_property
    def accuracy(self) -> Estimate | None:
        """Return the mean accuracy over the finished seeds."""
        # From the counts, which are exact; a recorded accuracy may have been rounded.
        accuracies = [1 - n / self.runs[0].data.n_test for n in self.errors.values()]
        return mean_with_interval(accuracies) if accuracies else None

    @property
    def error(self) -> Estimate | None:
        """Return the mean error rate over the finished seeds."""
        accuracy = self.accuracy
        return None if accuracy is None else replace(accuracy, mean=1 - accuracy.mean)

    @property
    def paper(self) -> PaperFigures | None:
        """Return the paper's figures, where the runs can be held against them."""
        # They are of the official MNIST, whatever a config overrides.
        official = any((run.data.source, run.data.dataset) == ("official", "mnist") for run in self.runs)
        return self.plan.paper if official and self.current and self.kind in ("dba", "sgd", "adam") else None

    @property
    def paper_accuracy(self) -> float | None:
        """Return the paper's accuracy of DBA, or the one that its figures imply for SGD and Adam."""
        if self.paper is None:
            return None
        percent = self.paper.test_accuracy if self.selects else self.paper.implied_accuracy
        return None if percent is None else percent / 100

    @property
    def paper_reduction(self) -> float | None:
        """Return the error reduction that the paper prints, which is DBA's, as a fraction."""
        return self.paper.error_reduction / 100 if self.paper and self.selects else None

    @property
    def paper_difference(self) -> float | None:
        """Return our mean accuracy less the paper's, as a fraction."""
        paper = self.paper_accuracy
        return None if self.accuracy is None or paper is None else self.accuracy.mean - paper


@dataclass(frozen=True)
class Section:
    """One table: the runs of one experiment that share a setting.

    ``setting`` is None while no run of the plan is recorded, since only runs know their data, and where
    points of a sweep differ in it.
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
    ranked: bool = False
    """Whether the rows are a sweep's points, the best first."""

    @property
    def done(self) -> str:
        """Return how many seeds the figures are of: ``5 seeds``, ``2 of 5 seeds``, ``2 to 4 of 5 seeds``."""
        planned = len(self.seeds)
        counts = {len(row.finished) + len(row.diverged) for row in self.rows if row.current} or {planned}
        noun = "seed" if planned == 1 else "seeds"
        if counts == {planned} or not any(counts):
            return f"{planned} {noun}"
        several = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(min(counts))
        return f"{several} of {planned} {noun}"


@dataclass(frozen=True)
class Comparison:
    """The tables of one or more experiments; ``sweep`` is what ranks those of a sweep's points as one."""

    sections: tuple[Section, ...]
    sweep: Section | None = None

    @property
    def tables(self) -> tuple[Section, ...]:
        """Return what is shown to a person: the sections, or the one of a sweep."""
        return self.sections if self.sweep is None else (self.sweep,)

    @property
    def names(self) -> tuple[str, ...]:
        """Return a name for each section: its experiment's; NAME-2 and so on for its further settings."""
        experiments = {section.experiment for section in self.sections}
        names: list[str] = []
        for section in self.sections:
            name, number = section.experiment, 1
            while name in names or (number > 1 and name in experiments):
                number += 1
                name = f"{section.experiment}-{number}"
            names.append(name)
        return tuple(names)

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
