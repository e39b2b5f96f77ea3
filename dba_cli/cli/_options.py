"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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

DEFAULT_DATA_DIR = Path("data")
DEFAULT_RESULTS_DIR = Path("results")
