"""TensorBoard: the history of a run under way as event files in its folder."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dba_cli.errors import UserError
from dba_cli.records import Evaluation
from dba_cli.training import Observer


def require_tensorboard() -> None:
    """Refuse before the first run if TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise UserError(
            "--tensorboard: TensorBoard is not installed; pip install 'dba-cli[tensorboard]'"
        ) from None


class Board(Observer):
    """Writes the evaluations into ``folder``; its own notices go to ``notify``."""

    def __init__(self, folder: Path, notify: Callable[[str], None]) -> None:
        self._folder, self._notify = folder, notify
        self._writer: Any = None
        self._broken = False

    def evaluated(self, row: Evaluation) -> None:
        """Write the evaluation; a full disk ends the writing, not the run."""
        if not self._broken:
            try:
                self._write(row)
            except OSError as error:
                self._broken = True
                reason = error.strerror or error
                self._notify(f"{self._folder}: cannot be written ({reason}); the run goes on")

    def _write(self, row: Evaluation) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and an extra

            if row.step == 0:
                shutil.rmtree(self._folder, ignore_errors=True)  # of a run that is done again
            # Of a run that goes on from here, later steps may be there from before it was stopped.
            self._writer = SummaryWriter(str(self._folder), purge_step=row.step)
        scalars = {
            "accuracy/test": row.test_accuracy,
            "loss/test": row.test_loss,
            "loss/train": row.train_loss,
            "time/training seconds": row.seconds,
            **{name.replace(".", "/", 1): value for name, value in row.by_layer.items()},
        }
        for name, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(name, value, row.step)
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
