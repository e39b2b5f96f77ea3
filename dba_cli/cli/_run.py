"""Train every optimizer and seed that the configs name, and record each run.

A run leaves its config, history.csv and result.json in RESULTS/EXPERIMENT/OPTIMIZER/seed-N.
Finished runs are skipped, so the same command goes on where it was stopped.
A run of a changed config is refused without --overwrite. One that fails does not stop the others.

[bold]Examples[/bold]

  dba run mnist_1pct

  dba run mnist_1pct --optimizer dba --seed 0-2 --jobs 2

  dba run smoke --set training.epochs=5 --set optimizers.dba.metric=norm
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dba_cli.cli._completion import config_names
from dba_cli.cli._options import CONFIG_HELP, RESULTS, execute, shown, with_training_options

if TYPE_CHECKING:
    from dba_cli.api import Done


@with_training_options()
def run(
    configs: Annotated[
        list[Path],
        typer.Argument(help=CONFIG_HELP, metavar="CONFIG", show_default=False, autocompletion=config_names),
    ],
    **options: Any,
) -> None:
    execute("train", configs, show=show, **options)


def show(done: "Done") -> None:
    """Print the table of what was run, where it lies, and what to do next."""
    results = done.settings.results
    names = [config.experiment.name for config, _ in done.configs]
    shown(results, names)
    at = "" if results == RESULTS else f" --results {shlex.quote(str(results))}"
    typer.echo(f"Records: {', '.join(str(results / name) for name in names)}")
    typer.echo(
        f"Next: dba report {' '.join(names)}{at} (tables and pictures), dba plot {' '.join(names)}{at}"
    )
