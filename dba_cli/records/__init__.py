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
from dba_cli.records._trace import (
    SelectionTrace,
    TraceWriter,
    read_predictions,
    read_trace,
    write_predictions,
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
    "SelectionTrace",
    "TraceWriter",
    "ensure_writable",
    "experiments_in",
    "read_predictions",
    "read_trace",
    "write_atomically",
    "write_predictions",
]
