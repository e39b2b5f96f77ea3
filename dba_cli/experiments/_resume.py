"""Going on where a run was stopped: its state on disk, saved at a period and at Ctrl-C.

A checkpoint is in PyTorch's file format, and read without running anything of it.
"""

import io
import math
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from dba_cli.config import Checkpoint
from dba_cli.errors import UserError
from dba_cli.records import RunFolder, read_bytes, write_atomically
from dba_cli.training import State, Training

_FORMAT = 1  # raise it when a state of before cannot be gone on from


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state of tensors, numbers, texts, lists and dicts; UserError where the one of before stays."""
    out = io.BytesIO()
    torch.save({"format": _FORMAT, "state": dict(state)}, out)
    write_atomically(path, out.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the state, on the CPU; None where there is none, UserError where it cannot be used.

    Nothing in the file is run: what is not data, such as a pickled object or function, is refused.
    """
    if (content := read_bytes(path)) is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # torch.load does not look at the checksums
            if damaged := archive.testzip():
                raise ValueError(f"damaged: {damaged}")
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not (isinstance(found, dict) and found.get("format") == _FORMAT):
            raise ValueError("of another version")
        state: dict[str, Any] = found["state"]
    except Exception as error:  # whatever a damaged or hostile file makes the two readers raise
        text = str(error) or type(error).__name__
        reason = "it holds pickled code" if "weights_only" in text.lower() else text[:100]
        raise UserError(f"{path}: no usable checkpoint ({' '.join(reason.split())})") from None
    return state


class RunKeeper:
    """Saves the state of one run in ``file`` of its ``folder``, every ``period``; a `training.Keeper`.

    ``git_revision`` is that of the code now, and that of the start where it was another one; ``computed_on``
    is what must be the same for the bits to be. ``notify`` gets a line for what must be seen: a state that
    cannot be used, or not be saved.
    """

    def __init__(
        self,
        folder: RunFolder,
        file: Path,
        period: Checkpoint | None,
        git_revision: str | None,
        computed_on: str,
        notify: Callable[[str], None],
    ) -> None:
        self._folder, self._file, self._period, self._notify = folder, file, period, notify
        self._began, self._before = time.monotonic(), 0.0
        self.git_revision, self._computed_on = git_revision, computed_on
        self._saved_step, self._saved_at = 0, time.monotonic()
        self._full = False

    @property
    def seconds(self) -> float:
        """Return how long the run has taken, in the processes before this one too."""
        return self._before + time.monotonic() - self._began

    def resumed(self, fresh: Callable[[], Training]) -> Training:
        """Return the training from where it was stopped; its beginning, ``fresh()``, if nothing says so."""
        training = fresh()
        try:
            state = read_checkpoint(self._file)
            if state is None:
                self._mention_others()
                return training
            training.load_state_dict(state["training"])
            self._before = float(state["seconds"])
            if not 0 <= self._before < math.inf:
                raise ValueError("made by hand")
            if state["git_revision"] != self.git_revision:
                self.git_revision = f"{state['git_revision']}, gone on with at {self.git_revision}"
        except UserError as error:
            self._notify(f"{error}; the run begins anew")
            return training
        except Exception as error:  # well-formed, but the state of something else
            self._notify(f"{self._file}: no usable checkpoint ({type(error).__name__}); the run begins anew")
            self._before = 0.0
            return fresh()
        self._saved_step = training.step
        self._notify(f"{self._folder.path}: goes on from step {training.step}")
        return training

    def look(self) -> None:
        """Say so if the run's folder is gone: whatever is written next makes it again."""
        if not self._folder.path.exists():
            self._notify(f"{self._folder.path}: was removed while the run goes on; made again")

    def due(self, step: int) -> bool:
        """Whether the period is over."""
        if self._period is None:
            return False
        if self._period.steps is not None:
            return step - self._saved_step >= self._period.steps
        assert self._period.seconds is not None
        return time.monotonic() - self._saved_at >= self._period.seconds

    def save(self, state: State) -> None:
        """Save the state of the training; a full disk does not end the run that it is to save."""
        if self._period is None:
            return
        whole = {
            "training": state,
            "seconds": self.seconds,
            "git_revision": self.git_revision,
            "computed_on": self._computed_on,
        }
        self.look()
        try:
            write_checkpoint(self._file, whole)
            self._full = False
        except UserError as error:
            if not self._full:
                self._notify(f"{error}; the run goes on, its state is not saved")
            self._full = True
        self._saved_step, self._saved_at = state["position"]["step"], time.monotonic()

    def save_end(self, training: Training) -> None:
        """Save the end of a run that was long enough to be saved before: it may yet be lost in writing it."""
        if self._saved_step:
            self.save(training.state_dict())

    def _mention_others(self) -> None:
        others = self._folder.checkpoints()
        if others:
            reasons = dict.fromkeys(map(self._reason, others))
            self._notify(
                f"{self._folder.path}: stopped before {', and '.join(reasons)}; begins anew, "
                "and the state of before is kept until it is over"
            )

    def _reason(self, other: Path) -> str:
        """Return why the run cannot go on from another state that is there."""
        if other.name.split("-")[1:2] != self._file.name.split("-")[1:2]:
            return "with another config"
        try:
            before = str((read_checkpoint(other) or {})["computed_on"]).split(", ")
        except (UserError, KeyError):
            return "on another machine, or with other threads or packages"
        now = self._computed_on.split(", ")
        then, here = (
            [part for part in one if part not in two] for one, two in ((before, now), (now, before))
        )
        return f"with {', '.join(then) or 'less'}, where it is now {', '.join(here) or 'none of it'}"


@contextmanager
def first_ctrl_c(act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` at the first Ctrl-C; a second one does not wait. Only the main thread hears of any."""
    pressed = False

    def note(number: int, frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        act()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def ctrl_c_between_steps() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back, so that no step is cut in two, until what is yielded is called or all is over.

    Only where nobody else has a handler.
    """
    asked = threading.Event()

    def check() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with first_ctrl_c(asked.set) if ours else nullcontext():
        yield check
    check()
