"""Look after the official data files."""

import enum
from typing import Annotated

import typer

from dba_cli.cli._options import DATA, DataDir
from dba_cli.cli._progress import download_progress
from dba_cli.data import fetch as download
from dba_cli.data import status as look
from dba_cli.data import verify as check
from dba_cli.errors import UserError

data = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


class Dataset(enum.StrEnum):
    """What ``--dataset`` takes."""

    mnist = "mnist"
    fashion_mnist = "fashion_mnist"
    kmnist = "kmnist"


DatasetName = Annotated[Dataset, typer.Option(help="Which dataset.")]


@data.command()
def status(dataset: DatasetName = Dataset.mnist, data: DataDir = DATA) -> None:
    """Show where the official files are looked for and which of them are there.

    [bold]Example[/bold]

      dba data status --data ~/datasets
    """
    found = look(dataset.value, data)
    for file in found.files:
        size = f"{file.size} bytes" if file.size is not None else "-"
        typer.echo(f"{file.path}  {size}  {'ok' if file.ok else file.problem}")
    if found.complete:
        typer.echo(f"{dataset.value}: the official files are here; 'dba data verify' reads them whole")
    elif found.absent:
        typer.echo(f"{dataset.value}: not here; 'dba data fetch' downloads it, or give --data DIR (DBA_DATA)")
    else:
        typer.echo(f"{dataset.value}: not usable as it is; 'dba data fetch --force' replaces the files")


@data.command()
def fetch(
    dataset: DatasetName = Dataset.mnist,
    data: DataDir = DATA,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Download the official files with torchvision; nothing is left half done.

    [bold]Example[/bold]

      dba data fetch --dataset fashion_mnist --data ~/datasets
    """
    with download_progress() as report:
        found = download(dataset.value, data, progress=report, force=force)
    typer.echo(f"{dataset.value}: complete in {found.folder}")


@data.command()
def verify(dataset: DatasetName = Dataset.mnist, data: DataDir = DATA) -> None:
    """Read the official files whole and compare their SHA-256; exit code 2 if one is wrong.

    [bold]Example[/bold]

      dba data verify --data ~/datasets
    """
    files = check(dataset.value, data)
    for file in files:
        verdict = file.problem or ("structure ok, no digest known" if file.structure_only else "ok")
        typer.echo(f"{file.path}  {file.actual_sha256 or '-'}  {verdict}")
    wrong = [file for file in files if not file.ok]
    if wrong:
        raise UserError(
            f"{wrong[0].path}: {wrong[0].problem}; {len(wrong)} of {len(files)} files are wrong; "
            "'dba data fetch --force' replaces them"
        )
