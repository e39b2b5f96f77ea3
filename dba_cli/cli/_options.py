"""Options that several commands share."""

import enum
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


class Backend(enum.StrEnum):
    """What ``--backend`` takes."""

    loky = "loky"
    ray = "ray"


Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        max=10_000,
        help="Train so many runs at a time, each in a process with one thread. "
        "Left out: one, with torch's threads; with --backend ray: one per core of the cluster.",
        metavar="N",
        show_default=False,
    ),
]
BackendName = Annotated[
    Backend, typer.Option("--backend", help="loky: processes of this machine. ray: a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Of a running Ray cluster, such as auto or ray://HOST:10001; left out, one is started here.",
        metavar="ADDRESS",
        show_default=False,
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Do runs again that ended in an error.")]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Also write each run's history for TensorBoard: tensorboard --logdir RESULTS",
    ),
]

DEFAULT_DATA_DIR = Path("data")
DEFAULT_RESULTS_DIR = Path("results")
