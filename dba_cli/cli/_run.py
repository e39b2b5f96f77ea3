"""Train every optimizer and seed that the configs name, and record each run.

A run leaves its config, history.csv and result.json in RESULTS/EXPERIMENT/OPTIMIZER/seed-N.
Finished runs are skipped, so the same command goes on where it was stopped.
A run of a changed config is refused without --overwrite. One that fails does not stop the others.

[bold]Examples[/bold]

  dba run mnist_1pct

  dba run mnist_1pct --optimizer dba --seed 0-2 --jobs 2

  dba run smoke --set training.epochs=5 --set optimizers.dba.metric=norm
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from dba_cli.cli._options import CONFIG_HELP, execute, with_training_options


@with_training_options()
def run(
    configs: Annotated[list[Path], typer.Argument(help=CONFIG_HELP, metavar="CONFIG...", show_default=False)],
    **options: Any,
) -> None:
    execute("train", configs, **options)
