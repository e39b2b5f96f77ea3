"""What the commands do, for Python: trained runs and tables of records as pandas frames."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dba_cli.config import load, load_sweep, parse_seeds
from dba_cli.errors import UserError
from dba_cli.experiments import (
    Backend,
    Reporter,
    Selectors,
    Settings,
    Summary,
    Workers,
    run_experiments,
    run_sweep,
    sweep_folder,
)
from dba_cli.training import resolve_device


def train(
    configs: Sequence[Path], reporter: Reporter, overrides: Sequence[str] | None = None, **narrowing: Any
) -> Summary:
    """Do the runs of the configs that are not done, as ``dba run`` does.

    Raises:
        UserError: Bad input, before anything is trained.
    """
    settings = _settings(**narrowing)
    loaded = [load(path, overrides or ()) for path in configs]
    # Compared without case: two names that differ only in case are one folder on some systems.
    names = [config.experiment.name.lower() for config in loaded]
    for path, name in zip(configs, names, strict=True):
        if names.count(name) > 1:
            raise UserError(
                f"{path}: experiment.name {name!r} is given by two of these configs; name each once"
            )
    return run_experiments(loaded, settings, reporter)


def train_sweep(
    config: Path,
    reporter: Reporter,
    grid: Sequence[str] | None = None,
    random: int | None = None,
    sweep_seed: int | None = None,
    name: str | None = None,
    overrides: Sequence[str] | None = None,
    **narrowing: Any,
) -> Summary:
    """Do the runs of a config at many points that are not done, as ``dba sweep`` does.

    Raises:
        UserError: Bad input, before anything is trained.
    """
    settings = _settings(**narrowing)
    sweep = load_sweep(config, overrides or (), grid or (), random, sweep_seed)
    folder = sweep_folder(settings.results, name or f"{sweep.experiment}_sweep")
    return run_sweep(sweep, folder, settings, reporter)


def _settings(
    *,
    optimizers: Sequence[str] | None = None,
    seeds: Sequence[str] | None = None,
    jobs: int | None = None,
    backend: Backend = "loky",
    address: str | None = None,
    data: Path | None = None,
    results: Path = Path("results"),
    device: str = "auto",
    **others: Any,
) -> Settings:
    if address is not None and backend != "ray":
        raise UserError(f"--address {address}: only a Ray cluster has one; add --backend ray")
    numbers = [number for text in seeds or () for number in parse_seeds(text, "--seed")]
    return Settings(
        data_dir=data or Path(os.environ.get("DBA_DATA", "data")),
        results=results,
        device=resolve_device(device),
        selectors=Selectors(optimizers or (), numbers),
        workers=Workers(jobs, backend, address),
        **others,
    )
