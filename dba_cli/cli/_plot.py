"""Draw recorded runs: pictures as PNG and SVG, and the path of each on a line of its own.

curves: accuracy against steps, samples and seconds. targets: how soon an accuracy is reached.
fractions: how much each layer kept. ladder: final accuracies of all experiments. overlay: the curves
of all experiments together. drawn: the training images. With training.trace: true also choices (how
often each image was chosen), chosen (most and least), disagreements (one right, another wrong) and
confusion.

[bold]Examples[/bold]

  dba plot

  dba plot mnist_1pct --kind curves --kind targets --target 0.87 --format svg

  dba plot mnist_1pct mnist_10_per_class --kind overlay --optimizer dba
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dba_cli.cli._options import DATA, RESULTS, DataDir, Experiments, ResultsDir, notice, option
from dba_cli.errors import UserError, did_you_mean
from dba_cli.plots import FORMATS, KINDS, Album, make_album, save


def plot(
    experiments: Experiments = None,
    kind: Annotated[
        list[str] | None,
        option(
            "--kind",
            "-k",
            help="Only this kind; repeatable. Default: all but overlay.",
            metavar=f"<{'|'.join(KINDS)}>",
            autocompletion=lambda: list(KINDS),
        ),
    ] = None,
    optimizer: Annotated[
        list[str] | None, option(metavar="NAME", help="Only this optimizer; repeatable.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the pictures.", metavar="DIR")
    ] = Path("plots"),
    formats: Annotated[
        str, typer.Option("--format", "-f", help="png, svg, or both.", metavar="NAME[,NAME]")
    ] = "png,svg",
    target: Annotated[
        float | None,
        option(
            metavar="FRACTION",
            help="Accuracy that the bars of kind targets wait for, a fraction; default: 98 % of the best "
            "final mean, rounded down.",
        ),
    ] = None,
    results: ResultsDir = RESULTS,
    data: DataDir = DATA,
) -> None:
    wanted_formats = list(dict.fromkeys(name.strip() for name in formats.split(",")))
    for name in wanted_formats:
        if name not in FORMATS:
            raise UserError(f"--format {formats}: {name!r} is no format{did_you_mean(name, list(FORMATS))}")
    if target is not None and not 0 < target <= 1:
        raise UserError(f"--target {target:g}: not above 0 and at most 1; give a fraction such as 0.9")
    album = make_album(
        results, experiments, kinds=kind or (), optimizers=optimizer or (), target=target, data_dir=data
    )
    draw(album, output, wanted_formats)


def draw(album: Album, folder: Path, formats: Sequence[str], *, indent: str = "") -> None:
    """Write the pictures, and say where each is and which could not be made."""
    for picture in album.pictures:
        for path in save(picture.figure, folder / picture.stem, formats):
            typer.echo(f"{indent}{path}")
    for note in album.notes:
        notice(note)
