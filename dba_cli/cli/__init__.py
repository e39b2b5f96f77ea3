"""The ``dba`` command: options, displays and exit codes; everything else lives in the other packages."""

from dba_cli.cli._app import COMMANDS as COMMANDS
from dba_cli.cli._app import main as main
