"""Look after the official data files."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from dba_cli.cli._options import DATA, DataDir
from dba_cli.data import DATASETS, fetch_command
from dba_cli.data import fetch as download
from dba_cli.data import status as look
from dba_cli.errors import UserError

_NO_FILES = "there are no official files to look at; 'dba run' reads it whole, and refuses what is wrong"

data = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

DatasetName = Annotated[
    str,
    typer.Option(
        "--dataset",
        help=f"As a config names it: {', '.join(name for name in DATASETS if DATASETS[name].files)}, or "
        "torchvision:NAME.",
        metavar="NAME",
    ),
]


@data.command()
def status(dataset: DatasetName = "mnist", data: DataDir = DATA) -> None:
    """Show where the official files are looked for and which of them are there.

    [bold]Example[/bold]

      dba data status --data ~/datasets
    """
    found = look(dataset, data)
    for file in found.files:
        size = f"{file.size} bytes" if file.size is not None else "-"
        typer.echo(f"{file.path}  {size}  {file.problem or 'ok'}")
    command = fetch_command(dataset, data)
    if not found.files:
        typer.echo(f"{dataset}: {_NO_FILES}")
    elif found.complete:
        typer.echo(f"{dataset}: files of the right sizes are here; 'dba data verify' says whether official")
    elif found.absent:
        typer.echo(f"{dataset}: not here; '{command}' downloads it, or give --data DIR (DBA_DATA)")
    else:
        typer.echo(f"{dataset}: not usable as it is; '{command} --force' replaces the files")


@data.command()
def fetch(
    dataset: DatasetName = "mnist",
    data: DataDir = DATA,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Download the official files from torchvision's mirrors; nothing is left half done.

    [bold]Example[/bold]

      dba data fetch --dataset fashion_mnist --data ~/datasets
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {}

        def report(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        found = download(dataset, data, progress=report, force=force)
    typer.echo(f"{dataset}: complete in {found.folder}")


@data.command()
def verify(dataset: DatasetName = "mnist", data: DataDir = DATA) -> None:
    """Read the official files whole and compare their SHA-256; exit code 2 if one is wrong.

    [bold]Example[/bold]

      dba data verify --data ~/datasets
    """
    files, command = look(dataset, data, whole=True).files, fetch_command(dataset, data)
    for file in files:
        verdict = "ok" if file.expected_sha256 else "structure ok, no digest known"
        typer.echo(f"{file.path}  {file.sha256 or '-'}  {file.problem or verdict}")
    wrong = [file for file in files if file.problem]
    if wrong:
        raise UserError(
            f"{wrong[0].path}: {wrong[0].problem}; {len(wrong)} of {len(files)} files are wrong; "
            f"'{command} --force' replaces them"
        )
    known = DATASETS[dataset].files
    if known is None:
        typer.echo(f"{dataset}: {_NO_FILES}")
    elif not known.official(data):
        typer.echo(
            f"{dataset}: nothing shows that these are the official files: tables call them unverified; "
            f"'{command} --force' replaces them and keeps their archives, whose MD5 is known"
        )
