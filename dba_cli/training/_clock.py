"""How long training took, with everything else left out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Clock:
    """Seconds of training and of evaluation; waits for the device where work is queued.

    It stands until it is started, and counts on from ``running`` and ``evaluating``, the seconds of before.
    """

    def __init__(self, device: torch.device, running: float = 0.0, evaluating: float = 0.0) -> None:
        self._device = device
        self._ran, self.evaluating = running, evaluating
        self._since: float | None = None

    @property
    def running(self) -> float:
        """Return the seconds of training."""
        return self._ran if self._since is None else self._ran + self._now() - self._since

    def start(self) -> None:
        """Count as training from now on."""
        self._since = self._now()

    def stop(self) -> None:
        """Count no more."""
        self._ran, self._since = self.running, None

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Count as evaluation, not as training."""
        with self.paused():
            began = self._now()
            try:
                yield
            finally:
                self.evaluating += self._now() - began

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count as neither."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
