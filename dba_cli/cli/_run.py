"""``dba run``."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from dba_cli.cli._finish import chosen_workers, finish
from dba_cli.cli._options import (
    DEFAULT_DATA_DIR,
    DEFAULT_RESULTS_DIR,
    Address,
    Backend,
    BackendName,
    DataDir,
    Jobs,
    ResultsDir,
    RetryFailed,
    TensorBoard,
)


class DeviceName(enum.StrEnum):
    """What ``--device`` takes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Optimizers = Annotated[
    list[str] | None,
    typer.Option(
        "--optimizer",
        help="Only this optimizer of the config; repeatable.",
        metavar="NAME",
        show_default=False,
    ),
]
Seeds = Annotated[
    list[str] | None,
    typer.Option(
        "--seed", help="Only these seeds of the config; repeatable.", metavar="N|A-B", show_default=False
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Override a value of the config, checked like the file; repeatable.",
        metavar="KEY=VALUE",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do finished runs again.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]


def run(
    configs: Annotated[
        list[Path], typer.Argument(help="Config files.", metavar="CONFIG...", show_default=False)
    ],
    optimizer: Optimizers = None,
    seed: Seeds = None,
    overrides: Overrides = None,
    jobs: Jobs = None,
    backend: BackendName = Backend.loky,
    address: Address = None,
    data: DataDir = DEFAULT_DATA_DIR,
    results: ResultsDir = DEFAULT_RESULTS_DIR,
    device: Annotated[
        DeviceName, typer.Option(help="auto takes a GPU where there is one.")
    ] = DeviceName.auto,
    overwrite: Overwrite = False,
    retry_failed: RetryFailed = False,
    tensorboard: TensorBoard = False,
    quiet: Quiet = False,
) -> None:
    """Train every optimizer and seed that the configs name, and record each run.

    A run leaves its config, history.csv and result.json in RESULTS/EXPERIMENT/OPTIMIZER/seed-N.
    Finished runs are skipped, so the same command goes on where it was stopped.
    A run of a changed config is refused without --overwrite. One that fails does not stop the others.

    [bold]Examples[/bold]

      dba run configs/mnist_1pct.yaml

      dba run configs/mnist_1pct.yaml --optimizer dba --seed 0-2 --jobs 2

      dba run configs/smoke.yaml --set training.epochs=5 --set optimizers.dba.metric=norm
    """
    # Here, not above: `dba --help` must not wait for torch.
    from dba_cli.config import load, parse_seeds
    from dba_cli.errors import UserError
    from dba_cli.experiments import Selectors, Settings, run_experiments
    from dba_cli.training import resolve_device

    workers = chosen_workers(jobs, backend, address)
    seeds = [number for text in seed or [] for number in parse_seeds(text, "--seed")]
    loaded = [load(path, overrides or ()) for path in configs]
    # Compared without case: two names that differ only in case are one folder on some systems.
    names = [config.experiment.name.lower() for config in loaded]
    for path, name in zip(configs, names, strict=True):
        if names.count(name) > 1:
            raise UserError(
                f"{path}: experiment.name {name!r} is given by two of these configs; name each once"
            )
    settings = Settings(
        data_dir=data,
        results=results,
        device=resolve_device(device.value),
        selectors=Selectors(optimizer or (), seeds),
        overwrite=overwrite,
        retry_failed=retry_failed,
        workers=workers,
        tensorboard=tensorboard,
    )
    finish(lambda report: run_experiments(loaded, settings, report), results, quiet=quiet)
