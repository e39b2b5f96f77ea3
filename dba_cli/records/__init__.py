"""What a run leaves on disk: where it lies, what it says, and how it is written so that it is whole."""

from dba_cli.records._checkpoint import read_checkpoint as read_checkpoint
from dba_cli.records._checkpoint import write_checkpoint as write_checkpoint
from dba_cli.records._evaluation import Evaluation as Evaluation
from dba_cli.records._files import ensure_writable as ensure_writable
from dba_cli.records._files import locked as locked
from dba_cli.records._files import write_atomically as write_atomically
from dba_cli.records._layout import ExperimentFolder as ExperimentFolder
from dba_cli.records._layout import RunFolder as RunFolder
from dba_cli.records._layout import add_to_sweep as add_to_sweep
from dba_cli.records._layout import experiments_in as experiments_in
from dba_cli.records._layout import read_sweep as read_sweep
from dba_cli.records._result import DataRecord as DataRecord
from dba_cli.records._result import DeviceRecord as DeviceRecord
from dba_cli.records._result import Durations as Durations
from dba_cli.records._result import ExperimentRecord as ExperimentRecord
from dba_cli.records._result import FailureRecord as FailureRecord
from dba_cli.records._result import PaperFigures as PaperFigures
from dba_cli.records._result import PointRecord as PointRecord
from dba_cli.records._result import RunRecord as RunRecord
from dba_cli.records._result import SweepRecord as SweepRecord
from dba_cli.records._trace import SelectionTrace as SelectionTrace
from dba_cli.records._trace import read_predictions as read_predictions
from dba_cli.records._trace import read_trace as read_trace
from dba_cli.records._trace import trace_arrays as trace_arrays
from dba_cli.records._trace import trace_steps as trace_steps
from dba_cli.records._trace import write_arrays as write_arrays
