"""What is said of runs while they go on."""

from dataclasses import dataclass

from dba_cli.records import FailureRecord, RunRecord
from dba_cli.training import Observer, Timeline


@dataclass(frozen=True)
class RunLabel:
    """What a display says of a run in progress.

    ``number`` counts from 1 to ``total`` over all runs of the command, whose training is ``all_steps``
    updates long.
    """

    experiment: str
    optimizer: str
    seed: int
    number: int
    total: int
    timeline: Timeline
    all_steps: int


class Reporter:
    """Is told what happens, and must not change it. This one ignores everything."""

    def notice(self, line: str) -> None:
        """A line that must be seen, such as a fallback to other data."""

    def planned(self, name: str, todo: int, done: int) -> None:
        """What is about to begin, an experiment or a sweep: runs to do, and runs found done."""

    def started(self, label: RunLabel) -> Observer:
        """A run begins; what is returned watches its training."""
        return Observer()

    def finished(self, label: RunLabel, record: RunRecord) -> None:
        """A run's record is on disk."""

    def failed(self, label: RunLabel, failure: FailureRecord) -> None:
        """A run ended in an exception; the others go on."""

    def elsewhere(self, label: RunLabel) -> None:
        """A run was done by another process meanwhile."""
