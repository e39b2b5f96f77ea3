"""``history.csv``: the state at each evaluation, read back as it was written."""

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from dba_cli.errors import UserError
from dba_cli.records._result import Count, Fraction, Seconds

_PREFIX = "fraction."
# CSV has no null: what was not measured (a mean over no steps yet) is an empty cell.
_Absent = BeforeValidator(lambda cell: None if cell == "" else cell)


class HistoryPoint(BaseModel):
    """One evaluation; ``train_loss`` and ``fractions`` are means since the one before, absent at step 0.

    ``fractions`` is the share of the batch that each layer was updated with, by layer.
    """

    model_config = ConfigDict(frozen=True)

    step: Count
    epoch: Annotated[float, _Absent]
    samples_processed: Count
    train_loss: Annotated[float | None, _Absent]
    test_loss: float
    test_accuracy: Fraction
    seconds: Seconds
    fractions: dict[str, Fraction]


def read_history(path: Path, last_step: int | None = None) -> list[HistoryPoint]:
    """Return the evaluations in ``path`` in their order, at least one, up to ``last_step`` where it is known.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        # utf-8-sig: a spreadsheet that saved the file again put a byte order mark before it.
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, csv.Error):
        raise _damaged(path, "not a CSV table") from None
    points = [_point(path, number, row) for number, row in enumerate(rows, start=1)]
    if not points:
        raise _damaged(path, "no rows")
    if not text.endswith("\n"):
        raise _damaged(path, "cut off within its last row")
    for number, (before, after) in enumerate(pairwise(points), start=2):
        if after.step <= before.step:
            raise _damaged(path, f"row {number}: step {after.step} after step {before.step}")
    if last_step not in (None, points[-1].step):
        raise _damaged(path, f"ends at step {points[-1].step}, the run at {last_step}")
    return points


def _point(path: Path, number: int, row: dict[str, str]) -> HistoryPoint:
    if None in row or None in row.values():  # how csv marks cells too many and too few
        raise _damaged(path, f"row {number}: not as many cells as the header")
    layers = {
        key.removeprefix(_PREFIX): cell for key, cell in row.items() if key.startswith(_PREFIX) and cell
    }
    try:
        return HistoryPoint.model_validate({**row, "fractions": layers})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(f"{step!s:.60}" for step in fault["loc"])
        raise _damaged(path, f"row {number}: {where}: {fault['msg']}") from None


def _damaged(path: Path, fault: str) -> UserError:
    return UserError(f"{path}: damaged record: {fault}; delete the folder's result.json and run again")
