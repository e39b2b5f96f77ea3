"""Train a config at many points, every combination of --grid or a random sample of them.

The config may name the points too, in a section 'sweep:'. Each point is an experiment in
RESULTS/NAME, which 'dba compare --results RESULTS/NAME' prints; sweep.json there says what each sets.
Finished runs are skipped, so the same command goes on where it was stopped, also in several terminals
or on several machines with one results folder. A run that fails does not stop the others.

[bold]Examples[/bold]

  dba sweep configs/mnist_1pct.yaml --grid optimizers.dba.metric=snr,norm --jobs 2

  dba sweep configs/smoke.yaml --grid "optimizers.sgd.lr={low: 0.01, high: 1, log: true}" --random 8

  dba sweep configs/mnist_1pct.yaml --grid training.batch_size=50,100 --backend ray --address auto
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dba_cli.api import train_sweep
from dba_cli.cli._execute import Options, execute, with_options


@with_options
def sweep(
    options: Options,
    config: Annotated[Path, typer.Argument(help="Config file.", metavar="CONFIG", show_default=False)],
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            help="A key and its values, or a range to draw from: KEY={low: 0.001, high: 1, log: true}; "
            "repeatable.",
            metavar="KEY=V1,V2,...",
            show_default=False,
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(
            help="Draw so many points; default: every combination.", metavar="N", show_default=False
        ),
    ] = None,
    sweep_seed: Annotated[
        int | None, typer.Option(help="Seed of the drawing; default: 0.", metavar="N", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Folder of the sweep in RESULTS; default: the experiment's name and '_sweep'.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
) -> None:
    execute(partial(train_sweep, config, grid=grid, random=random, sweep_seed=sweep_seed, name=name), options)
