"""Train a config at many points, every combination of --grid or a random sample of them.

The config may name the points too, in a section 'sweep:'. Each point is an experiment in
RESULTS/NAME, which 'dba compare --results RESULTS/NAME' prints as one table, the best point first;
sweep.json there says what each sets.
Finished runs are skipped, so the same command goes on where it was stopped, also in several terminals
or on several machines with one results folder. A run that fails does not stop the others.

[bold]Examples[/bold]

  dba sweep mnist_1pct --grid optimizers.dba.metric=snr,norm --jobs 2

  dba sweep smoke --grid "optimizers.sgd.lr={low: 0.01, high: 1}" --random 8

  dba sweep mnist_1pct --grid model.hidden=[50],[99] --backend ray
"""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dba_cli.cli._options import OneConfig, execute, option, shown, with_training_options

if TYPE_CHECKING:
    from dba_cli.api import Done


@with_training_options()
def sweep(
    config: OneConfig,
    grid: Annotated[
        list[str] | None,
        option(
            "--grid",
            metavar="KEY=V1,V2,...",
            help="A key and its values, or a range to draw from: KEY={low: 0.001, high: 1, log: true}; "
            "repeatable.",
        ),
    ] = None,
    random: Annotated[
        int | None, option(metavar="N", help="Draw so many points; default: every combination.")
    ] = None,
    sweep_seed: Annotated[int | None, option(metavar="N", help="Seed of the drawing; default: 0.")] = None,
    name: Annotated[
        str | None,
        option(
            metavar="NAME",
            help="Folder of the sweep in RESULTS; default: the experiment's name and '_sweep'.",
        ),
    ] = None,
    **options: Any,
) -> None:
    execute(
        "train_sweep", config, grid, show=show, random=random, sweep_seed=sweep_seed, name=name, **options
    )


def show(done: "Done") -> None:
    """Print the points as one table, where they lie, and what to do next."""
    results = done.settings.results
    shown(results)
    typer.echo(f"Records: {results}")
    typer.echo(
        f"Next: dba plot --kind points --results {shlex.quote(str(results))} (a picture of the points)"
    )
