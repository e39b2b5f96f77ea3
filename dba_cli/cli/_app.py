"""The application, and how faults reach a person."""

import ast
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dba_cli import __version__
from dba_cli.errors import UserError

# Each is a module of this package: its docstring is the command's help, and what has the command's name in it
# (with an underscore where that is Python's) is the command, a function or a group of its own.
COMMANDS = (
    "try",
    "audit",
    "configs",
    "init",
    "run",
    "sweep",
    "tune",
    "compare",
    "predict",
    "plot",
    "report",
    "inspect",
    "demo",
    "data",
)


class _LazyGroup(TyperGroup):
    """A subcommand's module is imported when it is called, neither for the list of all nor for another."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, _loaded(name) if name in COMMANDS else command, rest


def _loaded(name: str) -> Any:
    module = import_module(f"dba_cli.cli._{name}")
    command = getattr(module, f"{name}_" if iskeyword(name) else name)
    if not isinstance(command, typer.Typer):
        function, command = command, typer.Typer(add_completion=False)
        command.command(name, help=_flowing(module.__doc__ or ""))(function)
    return typer.main.get_command(command)


def _flowing(text: str) -> str:
    """Return help whose paragraphs the terminal breaks at its own width; indented lines stay lines."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(each if each[:1] == " " else each.replace("\n", " ") for each in paragraphs)


def _summary(name: str) -> str:
    """Return the first line of the command's help; its module, with all that it imports, is not imported."""
    source = Path(__file__).with_name(f"_{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


app = typer.Typer(
    name="dba",
    cls=_LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name in COMMANDS:
    app.command(_name, help=_summary(_name))(lambda: None)

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

      dba demo                       see it learn, in under a minute

      dba try photos                 whether it helps on your own images or table

      dba audit photos               which of its labels are probably wrong

      dba run mnist_1pct             train SGD, Adam and DBA on 1 % of MNIST

      dba init mnist_1pct mine.yaml  the same as a file of yours, to change it

      dba sweep mnist_1pct --grid model.hidden=[50],[200] --jobs 2

      dba compare mnist_1pct         the accuracy and error-reduction table

      dba inspect mnist_1pct         what that would do, and how long it takes

      dba data fetch                 download the official MNIST
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
        hint = f"; see '{error.ctx.command_path} --help'" if error.ctx else ""
        message = error.format_message().rstrip(".")
        code = _refuse(message + hint) if message else 2  # without a message: the help is there already
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> int:
    # One line, whatever a file name or a value may hold.
    print("dba: error:", " ".join(message.split()), file=sys.stderr)
    return 2
