"""Classify images with the network of a recorded run, and write the predictions as CSV.

The run must have kept its network: training.save_weights: true. DATA is a folder of images, with a
sub-folder for each class or without, or a .npz of bytes; left out, it is what the run was evaluated on. Where
labels are known, they stand beside the predictions, and the share that is right is printed.

[bold]Examples[/bold]

  dba run smoke --set training.save_weights=true

  dba predict results/smoke/dba/seed-0

  dba predict results/smoke/dba/seed-0 photos --output photos.csv
"""

from pathlib import Path
from typing import Annotated

import typer

from dba_cli.cli._options import DATA, DataDir


def predict(
    run: Annotated[
        Path,
        typer.Argument(help="A run's folder, or its weights.safetensors.", metavar="RUN", show_default=False),
    ],
    images: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of images or a .npz; default: what the run was evaluated on.",
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", metavar="FILE")] = Path(
        "predictions.csv"
    ),
    data: DataDir = DATA,
) -> None:
    # Not above: ``--help`` does not wait for torch.
    from dba_cli import api
    from dba_cli.data import keep_out
    from dba_cli.records import csv_text, write_atomically

    if images is not None:
        keep_out(images, output, "--output FILE")
    table = api.predict(run, images, data=data)
    write_atomically(output, csv_text(table))
    line = f"{output}: {len(table):,} predictions"
    if "label" in table:
        line += f", {(table['label'] == table['predicted']).mean():.2%} right"
    typer.echo(line)
