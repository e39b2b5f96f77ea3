"""``dba run``."""

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from dba_cli.cli._options import DEFAULT_DATA_DIR, DEFAULT_RESULTS_DIR, DataDir, ResultsDir


class DeviceName(enum.StrEnum):
    """What ``--device`` takes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


def run(
    configs: Annotated[
        list[Path], typer.Argument(help="Config files.", metavar="CONFIG...", show_default=False)
    ],
    optimizer: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this optimizer of the config; repeatable.", metavar="NAME", show_default=False
        ),
    ] = None,
    seed: Annotated[
        list[str] | None,
        typer.Option(help="Only these seeds of the config; repeatable.", metavar="N|A-B", show_default=False),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Override a value of the config, checked like the file; repeatable.",
            metavar="KEY=VALUE",
            show_default=False,
        ),
    ] = None,
    data: DataDir = DEFAULT_DATA_DIR,
    results: ResultsDir = DEFAULT_RESULTS_DIR,
    device: Annotated[
        DeviceName, typer.Option(help="auto takes a GPU where there is one.")
    ] = DeviceName.auto,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do finished runs again.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
) -> None:
    """Train every optimizer and seed that the configs name, and record each run.

    A run leaves its config, history.csv and result.json in RESULTS/EXPERIMENT/OPTIMIZER/seed-N.
    Finished runs are skipped, so the same command goes on where it was stopped.
    A run of a changed config is refused without --overwrite.

    [bold]Examples[/bold]

      dba run configs/mnist_1pct.yaml

      dba run configs/mnist_1pct.yaml --optimizer dba --seed 0-2

      dba run configs/smoke.yaml --set training.epochs=5 --set optimizers.dba.metric=norm
    """
    # Here, not above: `dba --help` must not wait for torch.
    from dba_cli.cli._progress import reporter
    from dba_cli.config import load, parse_seeds
    from dba_cli.errors import UserError
    from dba_cli.experiments import Selectors, Settings, run_experiments
    from dba_cli.training import resolve_device

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
    )
    with reporter(results, quiet=quiet) as report:
        try:
            run_experiments(loaded, settings, report)
        except KeyboardInterrupt:
            report.notice("interrupted; finished runs are kept, the same command goes on with the others")
            sys.exit(130)
