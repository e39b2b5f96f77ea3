"""How much of all a command's training is over, and how long the rest will take."""

import time

from dba_cli.experiments import RunLabel


class Whole:
    """Counts update steps over all runs: the pace since the first of them tells the time left."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._under_way: dict[int, int] = {}
        self._done = 0
        self.all_steps = 0
        self.over = 0
        self.failed = 0
        self._elsewhere = 0
        self._total = 0

    def started(self, label: RunLabel) -> None:
        """A run begins."""
        if self._began is None:
            self._began = time.monotonic()
        self._under_way[label.number] = 0
        self._count(label)

    def stepped(self, label: RunLabel, step: int) -> None:
        """A run has made so many steps."""
        self._under_way[label.number] = step

    def ended(self, label: RunLabel, *, failed: bool = False) -> None:
        """A run is over: a failed one takes the time of its steps from nobody any more."""
        self._under_way.pop(label.number, None)
        self._done += label.timeline.steps
        self.over += 1
        self.failed += failed
        self._count(label)

    def elsewhere(self, label: RunLabel) -> None:
        """A run was done by another process: over, but nothing of our pace."""
        self._under_way.pop(label.number, None)
        self._elsewhere += label.timeline.steps
        self.over += 1
        self._count(label)

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
        if seconds is None or self.over >= self._total:
            return ""
        if seconds < 90:
            return f"{max(1, round(seconds))} s left"
        minutes = round(seconds / 60)
        if minutes < 90:
            return f"{minutes} min left"
        hours = minutes / 60
        return f"{hours:.1f} h left" if hours < 48 else f"{hours / 24:.1f} days left"

    def _count(self, label: RunLabel) -> None:
        self._total = label.total
        self.all_steps = label.all_steps - self._elsewhere
