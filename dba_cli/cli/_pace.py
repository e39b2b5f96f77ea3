"""How much of all a command's training is over, and how long the rest will take."""

import time
from collections.abc import Sequence

from dba_cli.experiments import PlannedRun


class TotalProgress:
    """Counts update steps over all runs: the pace since the first of them tells the time left."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._under_way: dict[int, int] = {}
        self._done = 0
        self.total = 0
        self.all_steps = 0
        self.over = 0
        self.failed = 0

    def planned(self, runs: Sequence[PlannedRun]) -> None:
        """More runs are to be done."""
        self.total += len(runs)
        self.all_steps += sum(run.timeline.steps for run in runs)

    def started(self, run: PlannedRun) -> None:
        """A run begins."""
        if self._began is None:
            self._began = time.monotonic()
        self._under_way[run.number] = 0

    def stepped(self, run: PlannedRun, step: int) -> None:
        """A run has made so many steps."""
        self._under_way[run.number] = step

    def ended(self, run: PlannedRun, *, failed: bool = False) -> None:
        """A run is over: a failed one takes the time of its steps from nobody any more."""
        self._under_way.pop(run.number, None)
        self._done += run.timeline.steps
        self.over += 1
        self.failed += failed

    def elsewhere(self, run: PlannedRun) -> None:
        """A run was done by another process: over, but nothing of our pace."""
        self._under_way.pop(run.number, None)
        self.all_steps -= run.timeline.steps
        self.over += 1

    @property
    def steps(self) -> int:
        """Return the steps made."""
        return self._done + sum(self._under_way.values())

    def seconds_left(self) -> float | None:
        """Return the time that the rest takes at the pace so far; None before there is one."""
        if self._began is None or not self.steps or not self.all_steps:
            return None
        pace = (time.monotonic() - self._began) / self.steps
        return pace * max(0, self.all_steps - self.steps)

    def time_left(self) -> str:
        """Return the time left in words; blank where nothing can be said."""
        seconds = self.seconds_left()
        if seconds is None or self.over >= self.total:
            return ""
        if seconds < 90:
            return f"{max(1, round(seconds))} s left"
        minutes = round(seconds / 60)
        if minutes < 90:
            return f"{minutes} min left"
        hours = minutes / 60
        return f"{hours:.1f} h left" if hours < 48 else f"{hours / 24:.1f} days left"
