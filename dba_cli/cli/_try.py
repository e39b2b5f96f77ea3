"""Try whether DBA helps on data of your own: a folder of images, a .npz or a CSV.

It says what it finds, chooses a network and a protocol, tunes the learning rates of SGD, Adam, DBA and a
control of random subsets on training samples kept out, with the same budget for each, and compares them
over several seeds. Everything lies in RESULTS/NAME_try: the plan, the runs, report.html, and config.yaml,
from which 'dba run' goes on. The same command goes on where it was stopped. Nothing in DATA is changed.

[bold]Examples[/bold]

  dba try photos      a sub-folder for each class, or train/ and test/

  dba try digits.npz  x_train, y_train, x_test, y_test; or x and y

  dba try wine.csv --target quality --minutes 2

  dba try photos --set model.kind=resnet --set training.deformation.flip=0.5
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from dba_cli.cli._options import execute, option, with_training_options


@with_training_options("overrides", "results", "device", "overwrite", "retry_failed", "quiet")
def try_(
    data: Annotated[
        Path, typer.Argument(help="A folder of images, a .npz or a CSV.", metavar="DATA", show_default=False)
    ],
    target: Annotated[
        str | None, option(metavar="COLUMN", help="The column of a CSV that holds the classes.")
    ] = None,
    minutes: Annotated[
        float | None,
        option(metavar="M", help="Fit seeds, learning rates and steps to this time; default: 8."),
    ] = None,
    name: Annotated[
        str | None, option(metavar="NAME", help="Of the experiment; default: after DATA.")
    ] = None,
    jobs: Annotated[
        int | None,
        option("--jobs", "-j", min=1, max=10_000, metavar="N", help="Runs at a time; default: one per core."),
    ] = None,
    **options: Any,
) -> None:
    verdict = execute("try_data", data, target, minutes=minutes, name=name, jobs=jobs, **options)

    from dba_cli.comparison import print_tables

    print_tables(verdict.comparison)
    typer.echo()
    typer.echo(verdict.sentence)
    for note in verdict.notes:
        typer.echo(note)
    typer.echo()
    typer.echo(f"Report: {verdict.report}")
    typer.echo(
        f"Config: {verdict.config} (more seeds: dba run {verdict.config} --results {verdict.config.parent}"
        " --set seeds=0-19)"
    )
