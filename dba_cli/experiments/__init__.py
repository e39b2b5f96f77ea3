"""From configs to records: which runs there are, and doing each of them once."""

from dba_cli.experiments._images import drawn, evaluation_samples
from dba_cli.experiments._plan import PlannedRun, Selectors, plan
from dba_cli.experiments._run import Reporter, RunLabel, Settings, run_experiments

__all__ = [
    "PlannedRun",
    "Reporter",
    "RunLabel",
    "Selectors",
    "Settings",
    "drawn",
    "evaluation_samples",
    "plan",
    "run_experiments",
]
