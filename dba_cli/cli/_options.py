"""What several commands share: options, and how a warning is said."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

Experiments = Annotated[
    list[str] | None,
    typer.Argument(help="Names of experiments; default: all.", metavar="[EXPERIMENT]...", show_default=False),
]
DataDir = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="DBA_DATA",
        help="Folder of the official data, in torchvision's layout (MNIST/raw/...).",
        metavar="DIR",
    ),
]
ResultsDir = Annotated[Path, typer.Option("--results", help="Folder of the records.", metavar="DIR")]
Device = Literal["auto", "cpu", "cuda", "mps"]

DATA = Path("data")
RESULTS = Path("results")


def notice(line: str) -> None:
    """Print what must be seen on stderr."""
    print(f"dba: {line}", file=sys.stderr, flush=True)
