"""What figures are drawn from: the runs of one optimizer, and their means over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dba_cli.comparison import mean_with_interval
from dba_cli.records import Evaluation

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
        return f"{self.label} ({', '.join(remarks)})" if remarks else self.label


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
