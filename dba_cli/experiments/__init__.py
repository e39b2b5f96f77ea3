"""From configs to records: which runs there are, and doing each of them once."""

from dba_cli.experiments._images import Images, drawn, evaluation_samples
from dba_cli.experiments._one_run import OneRun, Trainee
from dba_cli.experiments._plan import (
    Backend,
    Plan,
    PlannedRun,
    Selectors,
    Settings,
    Workers,
    narrowed_runs,
    plan,
)
from dba_cli.experiments._reporter import Reporter
from dba_cli.experiments._run import (
    Prepared,
    Summary,
    planned,
    prepare,
    run_experiments,
    run_sweep,
    sweep_folder,
)

__all__ = [
    "Backend",
    "Images",
    "OneRun",
    "Plan",
    "PlannedRun",
    "Prepared",
    "Reporter",
    "Selectors",
    "Settings",
    "Summary",
    "Trainee",
    "Workers",
    "drawn",
    "evaluation_samples",
    "narrowed_runs",
    "plan",
    "planned",
    "prepare",
    "run_experiments",
    "run_sweep",
    "sweep_folder",
]
