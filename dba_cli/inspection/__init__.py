"""What lies in a record and what a config would do, as tables on a terminal."""

from dba_cli.inspection._config import ConfigView, view_config
from dba_cli.inspection._estimate import RunTime, run_times
from dba_cli.inspection._record import RunView, view_run
from dba_cli.inspection._terminal import config_table, run_table, time_table

__all__ = [
    "ConfigView",
    "RunTime",
    "RunView",
    "config_table",
    "run_table",
    "run_times",
    "time_table",
    "view_config",
    "view_run",
]
