"""What a run leaves on disk: where it lies, what it says, and how it is written so that it is whole."""

from dba_cli.records._atomic import ensure_writable, write_atomically
from dba_cli.records._history import HistoryPoint
from dba_cli.records._layout import ExperimentFolder, RunFolder, experiments_in
from dba_cli.records._result import (
    DataRecord,
    DeviceRecord,
    Durations,
    ExperimentRecord,
    FinalFigures,
    PaperRecord,
    RunRecord,
)

__all__ = [
    "DataRecord",
    "DeviceRecord",
    "Durations",
    "ExperimentFolder",
    "ExperimentRecord",
    "FinalFigures",
    "HistoryPoint",
    "PaperRecord",
    "RunFolder",
    "RunRecord",
    "ensure_writable",
    "experiments_in",
    "write_atomically",
]
