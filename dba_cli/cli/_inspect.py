"""Show what is in a run's record, or what a config would do.

Of a run: every figure of its record, its history in brief, its files. Of a config: all values with
the defaults, the network's parameters, the runs that are done and to do, and the time they take,
which is the mean of runs recorded on such a device, else extrapolated from a few steps timed now.

[bold]Examples[/bold]

  dba inspect results/mnist_1pct/dba/seed-0

  dba inspect mnist_1pct

  dba inspect mnist_1pct --set model.hidden=[800] --no-time
"""

from pathlib import Path
from typing import Annotated

import typer

from dba_cli.cli._completion import config_names, keys
from dba_cli.cli._options import DATA, RESULTS, DataDir, Device, ResultsDir, notice, option
from dba_cli.errors import UserError
from dba_cli.shipped import shipped


def inspect(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run's folder, or a config: a file or a name that 'dba configs' lists.",
            metavar="RUN|CONFIG",
            show_default=False,
            autocompletion=config_names,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a value of the config; repeatable.",
            autocompletion=keys,
        ),
    ] = None,
    data: DataDir = DATA,
    results: ResultsDir = RESULTS,
    device: Annotated[Device, typer.Option(help="The device that is timed.")] = "auto",
    timing: Annotated[
        bool, typer.Option("--time/--no-time", help="Estimate the time, by a few steps where need be.")
    ] = True,
) -> None:
    # Not above: completion does not wait for them.
    from rich.console import Console

    from dba_cli.inspection import config_table, run_table, time_table, view_config

    console = Console(highlight=False)
    if path.suffix not in {".yaml", ".yml"} and (path.exists() or path.as_posix() not in shipped()):
        if overrides:
            raise UserError(f"--set {overrides[0]}: {path} is no config; only a config has values to set")
        console.print(run_table(path, ascii_only=console.options.ascii_only))
        return
    # Here, not above: a record is shown without torch.
    from dba_cli.config import load
    from dba_cli.training import resolve_device

    where = resolve_device(device)
    view = view_config(load(path, overrides or ()), data, results, notice)
    console.print(config_table(view, str(path), data))
    if timing:
        console.print()
        console.print(time_table(view, data, where))
