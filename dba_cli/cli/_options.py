"""What several commands share: options, each declared once, how a warning is said, and how runs are trained.

Nothing here waits for torch, so that ``dba run --help`` does not either.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dba_cli.cli._completion import config_names, experiment_names, keys, optimizer_names

option = partial(typer.Option, show_default=False)

Experiments = Annotated[
    list[str] | None,
    typer.Argument(
        help="Names of experiments; default: all.",
        metavar="EXPERIMENT",
        show_default=False,
        autocompletion=experiment_names,
    ),
]
DataDir = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="DBA_DATA",
        help="Folder of the official data, in torchvision's layout (MNIST/raw/...).",
        metavar="DIR",
    ),
]
ResultsDir = Annotated[Path, typer.Option("--results", help="Folder of the records.", metavar="DIR")]
Device = Literal["auto", "cpu", "cuda"]
Backend = Literal["loky", "ray"]
Format = Literal["table", "markdown", "csv", "latex", "json"]

CONFIG_HELP = "A config file of yours, or a name that 'dba configs' lists."
DATA = Path("data")


OneConfig = Annotated[
    Path,
    typer.Argument(help=CONFIG_HELP, metavar="CONFIG", show_default=False, autocompletion=config_names),
]
RESULTS = Path("results")


def notice(line: str) -> None:
    """Print what must be seen on stderr."""
    print(f"dba: {line}", file=sys.stderr, flush=True)


def training_options(
    *,
    optimizers: Annotated[
        list[str] | None,
        option(
            "--optimizer",
            metavar="NAME",
            help="Only this optimizer of the config; repeatable.",
            autocompletion=optimizer_names,
        ),
    ] = None,
    seeds: Annotated[
        list[str] | None,
        option("--seed", metavar="N|A-B", help="Only these seeds of the config; repeatable."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a value of the config, checked like the file; repeatable.",
            autocompletion=keys,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        option(
            "--jobs",
            "-j",
            min=1,
            max=10_000,
            metavar="N",
            help="Train so many runs at a time, each in a process with one thread. "
            "Left out: one; with --backend ray: one per core of the cluster.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        option(
            min=1,
            max=1024,
            metavar="N",
            help="Threads of each run; default: one for a small network or with --jobs, else the cores that "
            "nobody uses. The record says how many.",
        ),
    ] = None,
    backend: Annotated[
        Backend, typer.Option(help="loky: processes of this machine. ray: a Ray cluster.")
    ] = "loky",
    address: Annotated[
        str | None,
        option(
            metavar="ADDRESS",
            help="Of a running Ray cluster, such as auto or ray://HOST:10001; left out, one is started here.",
        ),
    ] = None,
    data: DataDir = DATA,
    results: ResultsDir = RESULTS,
    device: Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do finished runs again.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do runs again that ended in an error.")
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Also write each run's history for TensorBoard: tensorboard --logdir RESULTS",
        ),
    ] = False,
    trackers: Annotated[
        list[str] | None,
        option(
            "--tracker",
            metavar="NAME",
            help="Also show each run in tensorboard, mlflow, wandb (offline) or a module:Class of yours; "
            "repeatable.",
            autocompletion=lambda: ["tensorboard", "mlflow", "wandb"],
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
) -> None:
    """What ``dba run`` and ``dba sweep`` share; what a worker needs is a field of ``Settings`` too."""


def with_training_options(*wanted: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Show typer those of `training_options`, or all, where a command has ``**options``.

    They are handed to it there.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters.values()
        shared = inspect.signature(training_options).parameters.values()
        parameters = [each for each in own if each.kind is not each.VAR_KEYWORD]
        parameters += [each for each in shared if not wanted or each.name in wanted]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def shown(results: Path, experiments: Sequence[str] = ()) -> None:
    """Print the tables of what has been recorded, where anything has."""
    from dba_cli.comparison import compare, print_tables

    comparison = compare(results, experiments)
    if any(row.runs for section in comparison.sections for row in section.rows):
        typer.echo()
        print_tables(comparison)
        typer.echo()


def execute(
    work: Literal["train", "train_sweep", "try_data", "tune_config"],
    *arguments: Any,
    results: Path,
    quiet: bool,
    show: Callable[[Any], None] | None = None,
    **how: Any,
) -> Any:
    """Do ``work`` of `dba_cli.api`, with a display; ``show`` and return what it does.

    Exit with 1 where runs failed, with 130 at Ctrl-C.
    """
    # Not above: ``--help`` does not wait for torch.
    from dba_cli import api
    from dba_cli.cli._progress import reporter

    with reporter(results, quiet=quiet) as report:
        try:
            done = getattr(api, work)(*arguments, results=results, reporter=report, **how)
        except KeyboardInterrupt:
            report.notice(
                "interrupted; finished runs are kept, and the state of those under way; "
                "the same command goes on from there"
            )
            sys.exit(130)
    if show is not None and not quiet:
        show(done)
    with reporter(results, quiet=quiet) as report:
        failures = done.summary.failures
        for failure in failures:
            report.notice(
                f"failed: {failure.experiment} {failure.optimizer} seed {failure.seed}: {failure.error}"
            )
        if failures:
            report.notice(
                f"{'1 run has' if len(failures) == 1 else f'{len(failures)} runs have'} failed; "
                "--retry-failed does them again; failure.json in the folder of each has the traceback"
            )
            sys.exit(1)
    return done
