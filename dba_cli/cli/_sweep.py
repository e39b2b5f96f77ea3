"""``dba sweep``."""

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
from dba_cli.cli._run import DeviceName, Optimizers, Overrides, Overwrite, Quiet, Seeds


def sweep(
    config: Annotated[Path, typer.Argument(help="Config file.", metavar="CONFIG", show_default=False)],
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            help="A key and its values, or a range to draw from: KEY={low: 0.001, high: 1, log: true}; "
            "repeatable.",
            metavar="KEY=V1,V2,...",
            show_default=False,
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(
            help="Draw so many points; default: every combination.", metavar="N", show_default=False
        ),
    ] = None,
    sweep_seed: Annotated[
        int | None, typer.Option(help="Seed of the drawing; default: 0.", metavar="N", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Folder of the sweep in RESULTS; default: the experiment's name and '_sweep'.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
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
    """Train a config at many points, every combination of --grid or a random sample of them.

    The config may name the points too, in a section 'sweep:'. Each point is an experiment in
    RESULTS/NAME, which 'dba compare --results RESULTS/NAME' prints; sweep.json there says what each sets.
    Finished runs are skipped, so the same command goes on where it was stopped, also in several terminals
    or on several machines with one results folder. A run that fails does not stop the others.

    [bold]Examples[/bold]

      dba sweep configs/mnist_1pct.yaml --grid optimizers.dba.metric=snr,norm --jobs 2

      dba sweep configs/smoke.yaml --grid "optimizers.sgd.lr={low: 0.01, high: 1, log: true}" --random 8

      dba sweep configs/mnist_1pct.yaml --grid training.batch_size=50,100 --backend ray --address auto
    """
    # Here, not above: `dba --help` must not wait for torch.
    from dba_cli.config import load_sweep, parse_seeds
    from dba_cli.experiments import Selectors, Settings, run_sweep, sweep_folder
    from dba_cli.training import resolve_device

    workers = chosen_workers(jobs, backend, address)
    seeds = [number for text in seed or [] for number in parse_seeds(text, "--seed")]
    loaded = load_sweep(config, overrides or (), grid or (), random, sweep_seed)
    folder = sweep_folder(results, name or f"{loaded.experiment}_sweep")
    settings = Settings(
        data_dir=data,
        results=folder,
        device=resolve_device(device.value),
        selectors=Selectors(optimizer or (), seeds),
        overwrite=overwrite,
        retry_failed=retry_failed,
        workers=workers,
        tensorboard=tensorboard,
    )
    finish(lambda report: run_sweep(loaded, folder, settings, report), results, quiet=quiet)
