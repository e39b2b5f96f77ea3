"""The application, and how faults reach a person."""

import io
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from dba_cli import __version__
from dba_cli.cli._compare import compare
from dba_cli.cli._data import data_app
from dba_cli.cli._demo import demo
from dba_cli.cli._inspect import inspect
from dba_cli.cli._plot import plot
from dba_cli.cli._report import report
from dba_cli.cli._run import run
from dba_cli.cli._sweep import sweep
from dba_cli.errors import UserError

app = typer.Typer(
    name="dba",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(sweep)
app.command()(compare)
app.command()(plot)
app.command()(report)
app.command()(inspect)
app.command()(demo)
app.add_typer(data_app, name="data")

# The class of all wrong uses of the command line, wherever this release of typer takes it from.
_UsageError: Any = typer.BadParameter.__bases__[0]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dba {__version__}")
        raise typer.Exit


@app.callback()
def _dba(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Dynamic Batch Adaptation (arXiv 2208.00815): run the experiments, print the tables.

    [bold]Examples[/bold]

      dba demo                                 see it learn, in under a minute

      dba run configs/mnist_1pct.yaml          train SGD, Adam and DBA on 1 % of MNIST

      dba sweep configs/mnist_1pct.yaml --grid model.hidden=[50],[200] --jobs 2

      dba compare mnist_1pct                   the accuracy and error-reduction table

      dba inspect configs/mnist_1pct.yaml      what that would do, and how long it would take

      dba data fetch                           download the official MNIST
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 runs failed, 2 bad input (one line), 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # Tables hold "±": a terminal that has no such sign shows another, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = app(arguments, prog_name="dba", standalone_mode=False)
    except UserError as error:
        code = _refuse(str(error))
    except _UsageError as error:
        context = error.ctx
        hint = f"; see '{context.command_path} --help'" if context else ""
        code = _refuse(error.format_message().rstrip(".") + hint)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> int:
    # One line, whatever a file name or a value may hold.
    print("dba: error:", " ".join(message.split()), file=sys.stderr)
    return 2
