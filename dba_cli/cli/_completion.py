"""What the shell completes: names of configs, experiments and optimizers, and keys of a config.

A shell waits for it at every key: it reads names off files without checking them, imports nothing that takes
long, and where anything is wrong it has nothing to offer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from dba_cli.shipped import located, shipped

_LARGEST = 2**20  # bytes of a config that is looked into
Names = Callable[[typer.Context], Iterable[str]]


def _offered(names: Names) -> Callable[[typer.Context, str], list[str]]:
    """Return what typer calls: those of the names that go on from what is typed, and never an error."""

    @wraps(names)
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return [name for name in dict.fromkeys(names(ctx)) if name.startswith(incomplete)]
        except Exception:
            return []

    del complete.__wrapped__  # whose signature has no second parameter
    return complete


@_offered
def config_names(ctx: typer.Context) -> Iterator[str]:
    """Configs that come with dba, and files beside."""
    yield from shipped()
    yield from (path.as_posix() for path in Path().glob("*.y*ml"))


@_offered
def shipped_names(ctx: typer.Context) -> Iterable[str]:
    """Configs that come with dba."""
    return shipped()


@_offered
def experiment_names(ctx: typer.Context) -> Iterator[str]:
    """Experiments in the results folder."""
    return (path.name for path in _experiments(ctx))


@_offered
def optimizer_names(ctx: typer.Context) -> Iterator[str]:
    """Optimizers of the configs that are named, or of the records."""
    for config in _configs(ctx):
        for entry in config.get("optimizers", ()):
            yield entry["name"]
    if "experiments" in ctx.params:
        wanted = _words(ctx, "experiments")
        for folder in _experiments(ctx):
            if not wanted or folder.name in wanted:
                yield from sorted({run.parent.name for run in folder.glob("*/seed-*")})


@_offered
def keys(ctx: typer.Context) -> Iterator[str]:
    """Keys that stand in the configs that are named, as ``--set`` takes them."""
    for config in _configs(ctx):
        yield from (f"{key}=" for key in _keys(config))


def _experiments(ctx: typer.Context) -> list[Path]:
    results = Path(ctx.params.get("results") or "results")
    return sorted(file.parent for file in results.glob("*/experiment.json"))


def _configs(ctx: typer.Context) -> Iterator[Mapping[str, Any]]:
    for name in [word for argument in ("configs", "config", "path") for word in _words(ctx, argument)]:
        yield _read(located(Path(name)), 0)


def _words(ctx: typer.Context, argument: str) -> list[str]:
    """Return what is given for an argument; behind an option without its value all is left over."""
    given = (ctx.params[argument] or ctx.args) if argument in ctx.params else ()
    return [str(word) for word in given] if isinstance(given, list | tuple) else [str(given)]


def _read(path: Path, depth: int) -> dict[str, Any]:
    """Return a config over those that it extends; a list replaces what stood there before."""
    import yaml

    if not path.is_file() or path.stat().st_size > _LARGEST or depth > 10:
        return {}
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = config.pop("extends", None)
    return _merged(_read(located(Path(base), path.parent), depth + 1), config) if base else dict(config)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(base[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | over | both


def _keys(section: Any, before: str = "") -> Iterator[str]:
    if isinstance(section, list) and all(isinstance(each, dict) and "name" in each for each in section):
        section = {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in section}
    if isinstance(section, dict):
        for key, value in section.items():
            yield from _keys(value, f"{before}.{key}" if before else str(key))
    else:
        yield before
