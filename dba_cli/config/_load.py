"""From config files and ``--set`` overrides to a validated :class:`Config`."""

import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dba_cli.config._messages import describe
from dba_cli.config._schema import MAX_SEED, Config
from dba_cli.config._yaml import Document, Where, read_file, read_text
from dba_cli.errors import UserError, did_you_mean

_MAX_CHAIN = 10


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read ``path``, what it extends, and the overrides ``dotted.key=value``; validate the whole.

    Raises:
        UserError: With the file and line (or the override) of the first fault.
    """
    document = _read_with_bases(path, ())
    for override in overrides:
        document = _override(document, override)
    data = document.data
    if isinstance(data.get("seeds"), str):
        data["seeds"] = parse_seeds(data["seeds"], document.place(("seeds",)) + ": seeds")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise UserError(describe(error, document, str(path))) from None


def parse_seeds(text: str, place: str) -> list[int]:
    """Return the seeds that ``"3"`` or ``"0-4"`` (both ends included) names; ``place`` is for errors."""
    match = re.fullmatch(r"\s*([0-9]{1,10})(?:\s*-\s*([0-9]{1,10}))?\s*", text)
    if match is None:
        raise UserError(f"{place}: {text!r} is no seed; give N or A-B, such as 0 or 0-4")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise UserError(f"{place}: the range {text!r} runs backwards; did you mean '{last}-{first}'?")
    if last > MAX_SEED or last - first >= 10_000:
        raise UserError(f"{place}: {text!r} is out of range (seeds 0 to {MAX_SEED}, at most 10000 of them)")
    return list(range(first, last + 1))


def _read_with_bases(path: Path, chain: tuple[Path, ...]) -> Document:
    document = read_file(path)
    if not isinstance(document.data, dict):
        raise UserError(f"{path}: a config is a mapping of sections, such as 'data:' and 'model:'")
    base = document.data.pop("extends", None)
    if base is None:
        return document
    place = document.place(("extends",))
    if not isinstance(base, str) or not base:
        raise UserError(f"{place}: extends names one file, such as 'extends: base.yaml', got {base!r}")
    target = path.parent / base
    chain = (*chain, path.resolve())
    if target.resolve() in chain:
        raise UserError(f"{place}: {base} extends itself, directly or through others")
    if len(chain) >= _MAX_CHAIN:
        raise UserError(f"{place}: more than {_MAX_CHAIN} configs extend one another")
    try:
        return _merge(_read_with_bases(target, chain), document)
    except UserError as error:
        # A base that cannot be found is a fault of the line that names it.
        if target.exists():
            raise
        raise UserError(f"{place}: extends {error}") from None


def _merge(base: Document, over: Document) -> Document:
    """Mappings merge key by key; every other value of ``over``, lists included, replaces the base's."""
    places = dict(base.places)

    def replace(where: Where) -> None:
        for old in [p for p in places if p[: len(where)] == where]:
            del places[old]
        places.update({p: s for p, s in over.places.items() if p[: len(where)] == where})

    def merged(low: Any, high: Any, where: Where) -> Any:
        # A variant is chosen by its kind: another kind's keys mean nothing to it.
        same_kind = not (isinstance(high, dict) and "kind" in high) or (
            isinstance(low, dict) and low.get("kind") == high["kind"]
        )
        if isinstance(low, dict) and isinstance(high, dict) and same_kind:
            keys = [*low, *(key for key in high if key not in low)]
            return {
                key: merged(low[key], high[key], (*where, key))
                if key in low and key in high
                else _taken(low, high, key, where)
                for key in keys
            }
        replace(where)
        return high

    def _taken(low: Any, high: Any, key: str, where: Where) -> Any:
        if key in high:
            replace((*where, key))
            return high[key]
        return low[key]

    return Document(merged(base.data, over.data, ()), places)


def _override(document: Document, text: str) -> Document:
    """Apply one ``dotted.key=value``; the value is YAML, an entry of a named list goes by its name."""
    place = f"--set {text}"
    key, equals, value_text = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"{place}: give KEY=VALUE with a dotted key, such as training.epochs=5")
    value = read_text(value_text, place).data
    data, where = deepcopy(document.data), []
    target: Any = data
    for i, part in enumerate(parts):
        step: str | int = part
        if isinstance(target, list):
            step = _position(target, part, place)
        elif not isinstance(target, dict):
            raise UserError(
                f"{place}: {'.'.join(parts[:i])} is the single value {target!r}, it has no {part!r}"
            )
        where.append(step)
        if i == len(parts) - 1:
            target[step] = value
        elif isinstance(target, dict):
            # Sections left to their defaults are opened; a wrong name is caught by the schema.
            if target.get(step) is None:
                target[step] = {}
            target = target[step]
        else:
            target = target[step]
    path = tuple(where)
    places = {p: s for p, s in document.places.items() if p[: len(path)] != path}
    return Document(data, {**places, path: place})


def _position(entries: list[Any], part: str, place: str) -> int:
    names = [str(entry.get("name")) if isinstance(entry, dict) else None for entry in entries]
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(entries):
        return int(part)
    known = [name for name in names if name is not None]
    raise UserError(f"{place}: no entry {part!r} in the list of {len(entries)}{did_you_mean(part, known)}")
