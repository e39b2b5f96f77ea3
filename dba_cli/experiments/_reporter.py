"""What is said of runs while they go on."""

from collections.abc import Sequence

from dba_cli.experiments._plan import PlannedRun
from dba_cli.records import FailureRecord, RunRecord
from dba_cli.training import Observer


class Reporter:
    """Is told what happens, and must not change it. This one ignores everything."""

    def notice(self, line: str) -> None:
        """A line that must be seen, such as a fallback to other data."""

    def planned(self, name: str, todo: Sequence[PlannedRun], done: int) -> None:
        """What is about to begin, an experiment or a sweep: runs to do, and how many were found done."""

    def started(self, run: PlannedRun) -> Observer:
        """A run begins; what is returned watches its training."""
        return Observer()

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """A run's record is on disk."""

    def failed(self, run: PlannedRun, failure: FailureRecord) -> None:
        """A run ended in an exception; the others go on."""

    def elsewhere(self, run: PlannedRun) -> None:
        """A run was done by another process meanwhile."""
