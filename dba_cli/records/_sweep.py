"""What ``sweep.json`` says: the points of a sweep, each an experiment beside it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dba_cli.errors import UserError
from dba_cli.records._files import locked, read_model, write_atomically
from dba_cli.records._result import Part


class PointRecord(Part):
    """One point: the folder of its experiment, and what it sets."""

    name: str
    values: dict[str, Any] = Field(description="Dotted key of the config to value.")


class SweepRecord(Part):
    """A sweep: a results folder of its own, so that ``dba compare --results`` prints its points."""

    format: Literal[1] = 1
    experiment: str = Field(description="Name in the config that the points vary.")
    points: list[PointRecord] = Field(description="All that were ever asked for, in that order.")


def read_sweep(folder: Path) -> SweepRecord | None:
    """Return what ``sweep.json`` in ``folder`` says, None where there is none.

    Raises:
        UserError: It is damaged or cannot be read.
    """
    return read_model(folder / "sweep.json", SweepRecord)


def add_to_sweep(folder: Path, sweep: SweepRecord) -> None:
    """Write ``sweep.json``; the points of earlier sweeps in this folder stay on the list.

    A list that forgot them would hide how many points were tried.

    Raises:
        UserError: The file is damaged, is of another experiment or cannot be written.
    """
    with locked(folder, wait=True):
        before = read_sweep(folder)
        if before is not None and before.experiment != sweep.experiment:
            raise UserError(
                f"{folder}: holds a sweep of {before.experiment!r}, not of {sweep.experiment!r}; "
                "give another --name"
            )
        old = before.points if before is not None else []
        names = {point.name for point in old}
        points = [*old, *(point for point in sweep.points if point.name not in names)]
        whole = sweep.model_copy(update={"points": points})
        write_atomically(folder / "sweep.json", whole.model_dump_json(indent=2) + "\n")
