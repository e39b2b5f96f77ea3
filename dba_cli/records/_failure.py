"""What a run leaves that ended in an exception: ``failure.json``, in the place of its result."""

import contextlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dba_cli.errors import UserError
from dba_cli.records._files import read_model, write_atomically
from dba_cli.records._layout import RunFolder
from dba_cli.records._result import Sha256


class FailureRecord(BaseModel):
    """Why a run has no record. A run that diverged is no failure: that is a result."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    experiment: str
    optimizer: str
    seed: Annotated[int, Field(ge=0)]
    config_hash: Sha256
    error: str = Field(description="The exception in one line.")
    traceback: str
    git_revision: str | None
    failed_at: str = Field(description="UTC, ISO 8601.")


def read_failure(run: RunFolder) -> FailureRecord | None:
    """Return how the run failed; None where it did not, or where nothing whole says so."""
    try:
        return read_model(run.path / "failure.json", FailureRecord)
    except UserError:
        return None  # it only says to leave the run alone: without it, the run is done again


def write_failure(run: RunFolder, failure: FailureRecord) -> None:
    """Write ``failure.json`` atomically.

    Raises:
        UserError: The folder cannot be written.
    """
    write_atomically(run.path / "failure.json", failure.model_dump_json(indent=2) + "\n")


def discard_failure(run: RunFolder) -> None:
    """Forget that the run failed, before it is done again."""
    with contextlib.suppress(OSError):
        (run.path / "failure.json").unlink(missing_ok=True)
