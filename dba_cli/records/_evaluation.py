"""The one record of an evaluation, and ``history.csv``: one row for each, read back as it was written.

A figure is added by a field of ``Evaluation``: the file has a column for it from then on, and files of
before are read with its default.
"""

import csv
import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dba_cli.errors import UserError
from dba_cli.records._files import first_fault, read_bytes

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]

BY_LAYER = {"fractions": "fraction", "drop_precision": "drop_precision", "drop_recall": "drop_recall"}
"""Figures that each layer has one of, and what their columns begin with: ``fraction.LAYER``."""


class Evaluation(BaseModel):
    """The state at one evaluation; accuracies are fractions of 1, losses are in nats.

    ``train_loss`` and what each layer has are means since the evaluation before: absent at step 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    step: Count = Field(description="Updates made.")
    epoch: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    samples_processed: Count
    train_loss: float | None
    test_loss: float
    test_accuracy: Fraction
    test_errors: Count | None = Field(default=None, description="None in a history.csv that did not say.")
    copies_errors: Count | None = Field(
        default=None,
        description="Errors of predictions averaged over deformed copies of each image; after training only.",
    )
    stopping_errors: Count | None = Field(
        default=None,
        description="Errors on what training.early_stopping holds out of the draw, by the labels as given.",
    )
    fractions: dict[str, Fraction] = Field(
        default_factory=dict, description="By layer: the share of the batch that it was updated with."
    )
    drop_precision: dict[str, Fraction] = Field(
        default_factory=dict,
        description="By layer: what share of the samples left out have wrong labels; known to no training.",
    )
    drop_recall: dict[str, Fraction] = Field(
        default_factory=dict, description="By layer: what share of the wrong labels were left out."
    )
    seconds: Seconds = Field(description="Of training so far.")

    @property
    def by_layer(self) -> dict[str, float]:
        """What each layer has one of, by the names of its columns."""
        return {
            f"{start}.{layer}": value
            for name, start in BY_LAYER.items()
            for layer, value in getattr(self, name).items()
        }


def history_text(history: Sequence[Evaluation]) -> str:
    """Return the evaluations as CSV; floats are written so that they read back to the same bits."""
    rows = [_row(evaluation) for evaluation in history]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read_history(path: Path, last_step: int | None = None) -> list[Evaluation]:
    """Return the evaluations in ``path`` in their order, at least one, up to ``last_step`` if known."""
    try:
        # utf-8-sig: a spreadsheet that saved the file again put a byte order mark before it.
        content = read_bytes(path)
        if content is None:
            raise UserError(f"{path}: cannot be read (No such file or directory)")
        text = content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (ValueError, csv.Error):
        raise _damaged(path, "not a CSV table") from None
    history = [_evaluation(path, number, row) for number, row in enumerate(rows, start=1)]
    if not history:
        raise _damaged(path, "no rows")
    if not text.endswith("\n"):
        raise _damaged(path, "cut off within its last row")
    for number, (before, after) in enumerate(pairwise(history), start=2):
        if after.step <= before.step:
            raise _damaged(path, f"row {number}: step {after.step} after step {before.step}")
    if last_step not in (None, history[-1].step):
        raise _damaged(path, f"ends at step {history[-1].step}, the run at {last_step}")
    return history


def _row(evaluation: Evaluation) -> dict[str, object]:
    """Return the columns: one for each figure that there is, by layer where each has one."""
    row = evaluation.model_dump(exclude=set(BY_LAYER))
    optional = {name for name, field in type(evaluation).model_fields.items() if not field.is_required()}
    figures = {name: value for name, value in row.items() if value is not None or name not in optional}
    return figures | evaluation.by_layer


def _evaluation(path: Path, number: int, row: dict[str, str]) -> Evaluation:
    if None in row or None in row.values():  # how csv marks cells too many and too few
        raise _damaged(path, f"row {number}: not as many cells as the header")
    # CSV has no null: what was not measured is an empty cell. Columns of later versions are passed over.
    figures = {key: cell or None for key, cell in row.items() if key in Evaluation.model_fields}
    layers: dict[str, dict[str, str]] = {}
    for name, start in BY_LAYER.items():
        cells = {key: cell for key, cell in row.items() if key.startswith(f"{start}.") and cell}
        layers[name] = {key.removeprefix(f"{start}."): cell for key, cell in cells.items()}
    try:
        return Evaluation.model_validate(figures | layers, strict=False)
    except ValidationError as error:
        raise _damaged(path, f"row {number}: {first_fault(error)}") from None


def _damaged(path: Path, fault: str) -> UserError:
    return UserError(f"{path}: damaged record: {fault}; delete the folder's result.json and run again")
