"""Write a config that comes with dba to a file of yours, to change it.

The file is whole: it extends no other. Its experiment has the file's name, so that its runs lie in a folder
of their own. 'dba configs' lists the names.

[bold]Examples[/bold]

  dba init mnist_1pct                 writes mnist_1pct.yaml

  dba init mnist_1pct wider.yaml      the same as the experiment 'wider'
"""

from pathlib import Path
from typing import Annotated

import typer

from dba_cli import __version__
from dba_cli.cli._completion import shipped_names
from dba_cli.errors import UserError


def init(
    name: Annotated[
        str,
        typer.Argument(
            help="Of a config that 'dba configs' lists.",
            metavar="NAME",
            show_default=False,
            autocompletion=shipped_names,
        ),
    ],
    file: Annotated[
        Path | None, typer.Argument(help="Default: NAME.yaml.", metavar="FILE", show_default=False)
    ] = None,
) -> None:
    # Not above: completion does not wait for torch.
    from dba_cli.config import start_of
    from dba_cli.records import write_atomically

    path = file or Path(f"{name.rpartition('/')[2]}.yaml")
    if path.suffix not in {".yaml", ".yml"}:
        raise UserError(f"{path}: give a file that ends in .yaml")
    text = start_of(name, path.stem)
    if path.exists():
        raise UserError(f"{path}: is there already; give another FILE, or remove it")
    head = f"# {name} of dba {__version__}; 'dba inspect {path}' shows every key with its default.\n\n"
    write_atomically(path, head + text)
    typer.echo(f"{path}: 'dba run {path}' runs it")
