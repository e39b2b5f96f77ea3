"""Draw recorded runs: pictures as PNG, SVG or PDF, and the path of each on a line of its own.

curves: test error against steps, samples and seconds. targets: how soon an accuracy is reached.
fractions: how much each layer kept. ladder: final errors of all experiments. overlay: the curves
of all experiments together. points: a sweep of one key, or of two as a heat map. drawn: the training
images. With training.trace: true also choices (how
often each image was chosen), chosen (most and least), disagreements (one right, another wrong) and
confusion.

[bold]Examples[/bold]

  dba plot

  dba plot mnist_1pct --kind curves --kind targets --target 0.87

  dba plot mnist_1pct --format pdf --no-title --width 3.3 --font-size 7

  dba plot mnist_1pct mnist_10_per_class --kind overlay --optimizer dba
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dba_cli.cli._completion import optimizer_names
from dba_cli.cli._options import DATA, RESULTS, DataDir, Experiments, ResultsDir, notice, option
from dba_cli.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from dba_cli.plots import Album

KINDS = (
    *("curves", "targets", "fractions", "drawn", "choices", "chosen", "refused", "disagreements"),
    *("confusion", "ladder", "points", "overlay"),
)


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
        list[str] | None,
        option(metavar="NAME", help="Only this optimizer; repeatable.", autocompletion=optimizer_names),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the pictures.", metavar="DIR")
    ] = Path("plots"),
    formats: Annotated[
        str, typer.Option("--format", "-f", help="Of png, svg and pdf.", metavar="NAME[,NAME]")
    ] = "png,svg",
    width: Annotated[float, option(metavar="INCHES", help="Of a figure's whole width.", min=2, max=40)] = 6.9,
    font_size: Annotated[float, option(metavar="POINTS", help="Of the letters.", min=4, max=40)] = 8,
    title: Annotated[bool, option("--title/--no-title", help="What stands over a figure.")] = True,
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
    # Not above: completion does not wait for the pictures.
    from dba_cli.plots import FORMATS, Layout, layout, make_album

    wanted_formats = list(dict.fromkeys(name.strip() for name in formats.split(",")))
    for name in wanted_formats:
        if name not in FORMATS:
            raise UserError(f"--format {formats}: {name!r} is no format{did_you_mean(name, list(FORMATS))}")
    if target is not None and not 0 < target <= 1:
        raise UserError(f"--target {target:g}: not above 0 and at most 1; give a fraction such as 0.9")
    with layout(Layout(width, font_size, title)):
        album = make_album(
            results, experiments, kinds=kind or (), optimizers=optimizer or (), target=target, data_dir=data
        )
        draw(album, output, wanted_formats)


def draw(album: "Album", folder: Path, formats: Sequence[str], *, indent: str = "") -> None:
    """Write the pictures, and say where each is and which could not be made."""
    from dba_cli.plots import save

    for picture in album.pictures:
        for path in save(picture.figure, folder / picture.stem, formats):
            typer.echo(f"{indent}{path}")
    for note in album.notes:
        notice(note)
