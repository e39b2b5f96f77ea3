"""What a comparison says, as plain numbers.

Accuracies, errors and reductions are fractions of 1, as in the records; only the human formats
speak in per cent.
"""

from dataclasses import dataclass, replace

from dba_cli.comparison._statistics import Estimate
from dba_cli.comparison._wording import seeds_text


@dataclass(frozen=True)
class Setting:
    """What all figures of one table share; runs that differ in any of it never stand in one table."""

    protocol: str
    dataset: str
    source: str
    draw: tuple[tuple[str, float | str], ...]
    n_train: int
    n_test: int


@dataclass(frozen=True)
class PaperFigures:
    """What the paper states for a row's kind of optimizer, as fractions.

    ``implied`` marks an accuracy that the paper does not print: it follows from DBA's accuracy and
    error reduction. ``error_reduction`` (against SGD and Adam alike) is there for kind ``dba`` only.
    """

    test_accuracy: float
    implied: bool
    error_reduction: float | None


@dataclass(frozen=True)
class Row:
    """One optimizer under one config.

    ``finished``, ``diverged`` and ``missing`` are seeds. ``accuracy`` is the mean over the
    finished seeds; ``vs_sgd`` and ``vs_adam`` are error reductions, paired by seed, and None for
    the baseline itself. ``planned`` is the number of seeds in the plan, and None, like everything
    that is measured against others, for a row that is not ``current``: whose config is not the one
    of the experiment's plan.
    """

    optimizer: str
    kind: str | None
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

    @property
    def error(self) -> Estimate | None:
        """Return the mean error rate over the finished seeds."""
        accuracy = self.accuracy
        return None if accuracy is None else replace(accuracy, mean=1 - accuracy.mean)

    @property
    def paper_difference(self) -> float | None:
        """Return our mean accuracy less the paper's, as a fraction."""
        if self.accuracy is None or self.paper is None:
            return None
        return self.accuracy.mean - self.paper.test_accuracy


@dataclass(frozen=True)
class Section:
    """One table: the runs of one experiment that share a setting.

    ``setting`` is None while no run of the plan is recorded, since only runs know their data.
    ``seeds`` are the plan's.
    """

    experiment: str
    description: str
    setting: Setting | None
    notice: str | None
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


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
