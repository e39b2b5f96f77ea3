"""What a run leaves on disk: where it lies, what it says, and how it is written so that it is whole."""

from dba_cli.records._checkpoint import read_checkpoint, write_checkpoint
from dba_cli.records._evaluation import Evaluation
from dba_cli.records._failure import FailureRecord, discard_failure, read_failure, write_failure
from dba_cli.records._files import ensure_writable, locked, write_atomically
from dba_cli.records._layout import ExperimentFolder, RunFolder, experiments_in
from dba_cli.records._result import (
    DataRecord,
    DeviceRecord,
    Durations,
    ExperimentRecord,
    PaperFigures,
    RunRecord,
)
from dba_cli.records._sweep import PointRecord, SweepRecord, add_to_sweep, read_sweep
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
    "Evaluation",
    "ExperimentFolder",
    "ExperimentRecord",
    "FailureRecord",
    "PaperFigures",
    "PointRecord",
    "RunFolder",
    "RunRecord",
    "SelectionTrace",
    "SweepRecord",
    "TraceWriter",
    "add_to_sweep",
    "discard_failure",
    "ensure_writable",
    "experiments_in",
    "locked",
    "read_checkpoint",
    "read_failure",
    "read_predictions",
    "read_sweep",
    "read_trace",
    "write_atomically",
    "write_checkpoint",
    "write_failure",
    "write_predictions",
]
