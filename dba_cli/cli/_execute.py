"""What ``dba run`` and ``dba sweep`` share: their options, each declared once, and how they end."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import typer

from dba_cli.api import Done
from dba_cli.cli._options import DATA, RESULTS, DataDir, Device, ResultsDir
from dba_cli.cli._progress import reporter
from dba_cli.experiments import Backend


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options, in the order of the help; those that a worker needs are fields of ``Settings`` too."""

    optimizers: Annotated[
        list[str] | None,
        typer.Option(
            "--optimizer",
            help="Only this optimizer of the config; repeatable.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None
    seeds: Annotated[
        list[str] | None,
        typer.Option(
            "--seed",
            help="Only these seeds of the config; repeatable.",
            metavar="N|A-B",
            show_default=False,
        ),
    ] = None
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Override a value of the config, checked like the file; repeatable.",
            metavar="KEY=VALUE",
            show_default=False,
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            max=10_000,
            help="Train so many runs at a time, each in a process with one thread. "
            "Left out: one, with torch's threads; with --backend ray: one per core of the cluster.",
            metavar="N",
            show_default=False,
        ),
    ] = None
    backend: Annotated[Backend, typer.Option(help="loky: processes of this machine. ray: a Ray cluster.")] = (
        "loky"
    )
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a running Ray cluster, such as auto or ray://HOST:10001; left out, one is started here.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None
    data: DataDir = DATA
    results: ResultsDir = RESULTS
    device: Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")] = "auto"
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do finished runs again.")] = False
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do runs again that ended in an error.")
    ] = False
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Also write each run's history for TensorBoard: tensorboard --logdir RESULTS",
        ),
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options: typer sees each of them, the command is handed one ``options``."""
    own = inspect.signature(command, eval_str=True).parameters
    hints = get_type_hints(Options, include_extras=True)
    parameters = [parameter for name, parameter in own.items() if name != "options"] + [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(Options)
    ]

    @functools.wraps(command)
    def called(**arguments: Any) -> None:
        options = Options(**{field.name: arguments.pop(field.name) for field in fields(Options)})
        command(**arguments, options=options)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def execute(work: Callable[..., Done], options: Options) -> None:
    """Do ``work`` as the options say, with a display; exit with 1 where runs failed, with 130 at Ctrl-C."""
    how = {field.name: getattr(options, field.name) for field in fields(options)}
    with reporter(options.results, quiet=how.pop("quiet")) as report:
        try:
            summary = work(reporter=report, **how).summary
        except KeyboardInterrupt:
            report.notice(
                "interrupted; finished runs are kept, and the state of those under way; "
                "the same command goes on from there"
            )
            sys.exit(130)
        for failure in summary.failures:
            report.notice(
                f"failed: {failure.experiment} {failure.optimizer} seed {failure.seed}: {failure.error}"
            )
        if summary.failures:
            number = len(summary.failures)
            report.notice(
                f"{'1 run has' if number == 1 else f'{number} runs have'} failed; --retry-failed does them "
                "again; failure.json in the folder of each has the traceback"
            )
            sys.exit(1)
