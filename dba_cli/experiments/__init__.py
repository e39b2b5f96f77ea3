"""From configs to records: which runs there are, and doing each of them once."""

from dba_cli.experiments._images import drawn, evaluation_samples
from dba_cli.experiments._plan import PlannedRun, Selectors, plan
from dba_cli.experiments._reporter import Reporter, RunLabel
from dba_cli.experiments._run import Settings, Summary, run_experiments
from dba_cli.experiments._sweep import run_sweep, sweep_folder
from dba_cli.experiments._workers import Backend, Workers

__all__ = [
    "Backend",
    "PlannedRun",
    "Reporter",
    "RunLabel",
    "Selectors",
    "Settings",
    "Summary",
    "Workers",
    "drawn",
    "evaluation_samples",
    "plan",
    "run_experiments",
    "run_sweep",
    "sweep_folder",
]
