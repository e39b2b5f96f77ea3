"""The configs that come with the package, which go by their names."""

from pathlib import Path

from dba_cli.errors import UserError, did_you_mean

_PACKAGE = Path(__file__).parent
# A wheel has them in the package, a checkout beside it.
_PLACES = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
FOLDER = next((path for path in _PLACES if path.is_dir()), _PLACES[0])


def shipped() -> dict[str, Path]:
    """Return the files by name, such as ``mnist_1pct`` or ``reproduce/ladder``: whole configs and bases."""
    files = sorted(FOLDER.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in files}


def nearest(name: str, names: list[str]) -> str:
    """Return the hint at the config that is meant; of dozens, where none is near, where they are listed."""
    near = did_you_mean(name, names)
    return near if "did you mean" in near else "; 'dba configs' lists them"


def located(config: Path, folder: Path = Path()) -> Path:
    """Return the file that is meant: one in ``folder``, else that of the shipped config with this name.

    Raises:
        UserError: It is neither, and the nearest name is known.
    """
    path = folder / config
    try:
        if path.exists():
            return path
    except (OSError, ValueError):  # a name that no file can have: whoever reads it says so
        return path
    named, name = shipped(), config.as_posix()
    if name in named:
        return named[name]
    if config.suffix not in {".yaml", ".yml"} and len(config.parts) == 1 and name.isprintable():
        near = nearest(name, list(named))
        raise UserError(f"{path}: no such file, and no config that comes with dba has this name{near}")
    if config.stem in named:
        raise UserError(
            f"{path}: no such file; {config.stem!r}, without .yaml, is the config that comes with dba"
        )
    return path
