"""What figures are drawn from: the same rows as the tables, with their histories and means over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dba_cli.comparison import Row, Section, called, compare, mean_with_interval, setting_line
from dba_cli.errors import UserError, did_you_mean
from dba_cli.records import Evaluation, ExperimentFolder, RunFolder

Floats = npt.NDArray[np.float64]
XAxis = Literal["steps", "samples", "seconds"]
X_LABELS: dict[XAxis, str] = {
    "steps": "Update steps",
    "samples": "Samples processed",
    "seconds": "Seconds of training",
}


@dataclass(frozen=True)
class Run:
    """One seed: its evaluations (at least one), and whether training ended before its time."""

    seed: int
    history: Sequence[Evaluation]
    diverged: bool = False


@dataclass(frozen=True)
class Line:
    """The runs of one optimizer under one config; ``planned`` is the number of seeds it should have."""

    label: str
    runs: Sequence[Run]
    planned: int | None = None

    @property
    def finished(self) -> list[Run]:
        """Return the runs that means are taken over, as in the tables."""
        return [run for run in self.runs if not run.diverged]

    @property
    def diverged(self) -> list[Run]:
        """Return the other runs."""
        return [run for run in self.runs if run.diverged]

    @property
    def layers(self) -> list[str]:
        """Return the layers whose fractions the finished runs recorded, in the order of the network."""
        points = (point for run in self.finished for point in run.history)
        return list(dict.fromkeys(name for point in points for name in point.fractions))

    @property
    def legend(self) -> str:
        """Return the label, with a remark where the mean is not over all planned seeds."""
        planned = self.planned or len(self.runs)
        lacks = {"diverged": len(self.diverged), "seeds missing": planned - len(self.runs)}
        remarks = [f"{count} of {planned} {why}" for why, count in lacks.items() if count > 0]
        return f"{called(self.label)} ({', '.join(remarks)})" if remarks else called(self.label)


class Band(NamedTuple):
    """A mean over seeds along an axis, with its 95 % t interval; no interval where there is one seed."""

    x: Floats
    mean: Floats
    low: Floats
    high: Floats


def position(point: Evaluation, x: XAxis) -> float:
    """Return where an evaluation stands on an axis."""
    values = {"steps": point.step, "samples": point.samples_processed, "seconds": point.seconds}
    return float(values[x])


def band(
    runs: Sequence[Run], x: XAxis, value: Callable[[Evaluation], float | None] = attrgetter("test_accuracy")
) -> Band:
    """Return the mean of ``value`` over ``runs`` at each step that all of them have it for.

    Seeds share their steps but not their clocks: against seconds, the mean value at a step stands at the
    mean of the seconds. Intervals are cut at 0 and 1, since the values are fractions.
    """
    by_step = [{point.step: point for point in run.history if value(point) is not None} for run in runs]
    rows = []
    for step in sorted(set.intersection(*map(set, by_step))) if by_step else ():
        points = [points[step] for points in by_step]
        estimate = mean_with_interval([v for point in points if (v := value(point)) is not None])
        half = estimate.half_width or 0.0
        low, high = max(0.0, estimate.mean - half), min(1.0, estimate.mean + half)
        rows.append((sum(position(point, x) for point in points) / len(points), estimate.mean, low, high))
    return Band(*np.array(rows).reshape(-1, 4).T)


@dataclass(frozen=True)
class Study:
    """The runs of one experiment that share a setting; each optimizer that has some is a row and a line.

    ``name`` is that of the comparison's names.
    """

    name: str
    section: Section
    rows: Sequence[Row]
    lines: Sequence[Line]
    folder: ExperimentFolder

    @property
    def title(self) -> str:
        """Return what stands over its figures: the name, and what every figure must say of its data."""
        notice = f"\n{self.section.notice}" if self.section.notice else ""
        return f"{self.section.experiment}\n{setting_line(self.section)}{notice}"

    def folders(self, row: Row) -> list[tuple[int, RunFolder]]:
        """Return the finished runs of a row by seed, in ascending order."""
        return [(seed, self.folder.run(row.optimizer, seed)) for seed in row.finished]


def read_studies(results: Path, names: Sequence[str] | None, optimizers: Sequence[str] = ()) -> list[Study]:
    """Read the named experiments under ``results``, or all; ``optimizers`` narrows them, empty means all.

    Runs of another config than the plan's are left out, as the tables leave them out of comparisons.

    Raises:
        UserError: A name is unknown, a record is damaged, or there is no run to draw.
    """
    comparison = compare(results, names)
    sections = comparison.sections
    known = list(dict.fromkeys(row.optimizer for section in sections for row in section.rows))
    for name in optimizers:
        if name not in known:
            raise UserError(f"--optimizer {name}: in none of these experiments{did_you_mean(name, known)}")
    studies: list[Study] = []
    for name, section in zip(comparison.names, sections, strict=True):
        picked = [row for row in section.rows if not optimizers or row.optimizer in optimizers]
        rows = [row for row in picked if row.current and (row.finished or row.diverged)]
        if not rows:
            continue
        folder = ExperimentFolder(results / section.experiment)
        lines = []
        for row in rows:
            seeds = sorted((*row.finished, *row.diverged))
            runs = [
                Run(seed, folder.run(row.optimizer, seed).history(), seed in row.diverged) for seed in seeds
            ]
            lines.append(Line(row.optimizer, runs, row.planned))
        studies.append(Study(name, section, rows, lines, folder))
    if not studies:
        wanted = ", ".join(names) if names else results
        raise UserError(f"{wanted}: no run with the plan's config to draw; `dba run` does the missing ones")
    return studies


def together(studies: Sequence[Study]) -> list[Line]:
    """Return all lines, named by experiment as well where there are several."""
    if len(studies) == 1:
        return list(studies[0].lines)
    return [replace(line, label=f"{study.name}: {line.label}") for study in studies for line in study.lines]
