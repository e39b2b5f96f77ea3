"""What a record is made of, by digests: a file that was changed afterwards is found."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dba_cli.errors import UserError
from dba_cli.records._evaluation import read_history
from dba_cli.records._files import read_bytes
from dba_cli.records._result import RunRecord, SealRecord

_ALWAYS = ("config.yaml", "history.csv")
_SOMETIMES = ("trace.npz", "predictions.npz", "weights.safetensors")


def sealed(folder: Path, record: RunRecord, texts: Mapping[str, str]) -> RunRecord:
    """Return the record with its seal: of ``texts``, of what lies in ``folder`` already, and of itself."""
    files = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    for name in _SOMETIMES:
        if (content := read_bytes(folder / name)) is not None:
            files[name] = hashlib.sha256(content).hexdigest()
    return record.model_copy(
        update={"seal": SealRecord(files=files, record=_digest(record.model_dump_json()))}
    )


def check_seal(folder: Path, record: RunRecord, content: bytes) -> None:
    """Refuse a record of which a file was changed or added; ``content`` is that of result.json.

    Traces, predictions and weights, which are large, may have been deleted.

    A record of before there were seals is compared with its history, where that is there.

    Raises:
        UserError: With the file.
    """
    if record.seal is None:
        _check_history(folder, record)
        return
    if _digest(content) != record.seal.record:
        raise _changed(folder / "result.json", "was changed since it was recorded")
    for name in (*_ALWAYS, *_SOMETIMES):
        found, wanted = read_bytes(folder / name), record.seal.files.get(name)
        if found is None and wanted is not None and name in _ALWAYS:  # the others are large, and may go
            raise _changed(folder / name, "is missing")
        if found is not None and hashlib.sha256(found).hexdigest() != wanted:
            raise _changed(folder / name, "is not what the run wrote")


def _digest(text: str | bytes) -> str:
    """Return that of a record's JSON without its seal, however it is spaced."""
    content: dict[str, Any] = json.loads(text)
    content.pop("seal", None)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_history(folder: Path, record: RunRecord) -> None:
    path, final = folder / "history.csv", record.final
    if final is None or not path.exists():
        return
    row = next((each for each in read_history(path) if each.step == final.step), None)
    if row is None:
        raise _changed(path, f"has no row of step {final.step}, with which the run ended")
    for name in ("samples_processed", "test_accuracy", "test_errors", "test_loss", "train_loss"):
        recorded, noted = getattr(final, name), getattr(row, name)
        if noted is not None and recorded != noted:
            raise _changed(
                folder / "result.json",
                f"final.{name} is {recorded}, and the last row of history.csv says {noted}",
            )


def _changed(path: Path, what: str) -> UserError:
    return UserError(f"{path}: damaged record: {what}; delete the folder's result.json and run again")
