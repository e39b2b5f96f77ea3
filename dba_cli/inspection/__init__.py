"""What lies in a record and what a config would do, as tables on a terminal."""

from dba_cli.inspection._config import config_table as config_table
from dba_cli.inspection._config import time_table as time_table
from dba_cli.inspection._config import timed_steps as timed_steps
from dba_cli.inspection._config import view_config as view_config
from dba_cli.inspection._record import run_table as run_table
from dba_cli.inspection._wording import seconds_text as seconds_text
