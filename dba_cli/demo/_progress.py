"""What there is to see while the demo trains: the curves so far. Written by the trainer, read by a view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dba_cli.records import Evaluation, RunRecord


@dataclass
class Curve:
    """One optimizer: the evaluations of the seed in training, and the final accuracies of those before."""

    name: str
    seed: int | None = None
    rows: list[Evaluation] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    diverged: int = 0

    def ended(self, record: RunRecord) -> None:
        """Note how a seed ended."""
        if record.final is None:
            self.diverged += 1
        else:
            self.finals.append(record.final.test_accuracy)

    @property
    def accuracies(self) -> list[float]:
        """Return the test accuracy at each evaluation."""
        return [row.test_accuracy for row in self.rows]

    @property
    def kept(self) -> Mapping[str, Sequence[float]]:
        """Return the share of the batch that each layer kept, by layer; empty without selection."""
        selecting = [row.fractions for row in self.rows if row.fractions]
        return {name: [row[name] for row in selecting] for name in (selecting[0] if selecting else ())}


@dataclass
class Progress:
    """All optimizers of the demo, in the config's order."""

    curves: list[Curve]
    seeds: Sequence[int]
    steps: int
    notice: str = ""

    @classmethod
    def of(cls, names: Sequence[str], seeds: Sequence[int], steps: int) -> "Progress":
        """Return the state before anything is trained."""
        return cls([Curve(name) for name in names], seeds, steps)

    def curve(self, name: str) -> Curve:
        """Return the curve of an optimizer."""
        return next(curve for curve in self.curves if curve.name == name)
