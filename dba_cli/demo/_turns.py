"""Turns: of several threads one works at a time, and they take it in circles."""

import threading


class StoppedError(BaseException):
    """Ends a thread that waits for its turn. Not an Exception: nobody is to record it as a failure."""


class Turns:
    """Lets those who have joined go on one after the other, so that they advance side by side.

    What happens between two turns, random state of the whole process included, is seen by one thread
    only: training in turns computes what training one after the other does.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._circle: list[int] = []
        self._current: int | None = None
        self._open = False
        self._stopped = False

    def join(self, who: int) -> None:
        """Enter the circle, as its last."""
        with self._changed:
            self._circle.append(who)
            self._begin()

    def open(self) -> None:
        """Let the turns begin: until now everyone waits."""
        with self._changed:
            self._open = True
            self._begin()

    def _begin(self) -> None:
        if self._open and self._current is None and self._circle:
            self._current = self._circle[0]
            self._changed.notify_all()

    def wait(self, who: int) -> None:
        """Wait for one's turn.

        Raises:
            StoppedError: All are to stop.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._current == who)
            if self._stopped:
                raise StoppedError

    def give(self, who: int) -> None:
        """Hand the turn on and wait for the next one."""
        with self._changed:
            self._current = self._after(who)
            self._changed.notify_all()
        self.wait(who)

    def leave(self, who: int) -> None:
        """Go out of the circle for good, and hand the turn on."""
        with self._changed:
            if self._current == who:
                after = self._after(who)
                self._current = None if after == who else after
            if who in self._circle:
                self._circle.remove(who)
            self._changed.notify_all()

    def stop(self) -> None:
        """Make everyone who waits, or will, raise."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _after(self, who: int) -> int:
        place = self._circle.index(who)
        return self._circle[(place + 1) % len(self._circle)]
