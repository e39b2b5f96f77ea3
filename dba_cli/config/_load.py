"""From config files and ``--set`` overrides to a validated `Config`, or one line about the fault."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import reduce
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from dba_cli.config._kinds import Kinded
from dba_cli.config._schema import MAX_SEED, Config
from dba_cli.config._yaml import Document, Where, read_file, read_text, write_text
from dba_cli.errors import UserError, did_you_mean
from dba_cli.shipped import located, nearest, shipped


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read ``path``, what it extends, and the overrides ``dotted.key=value``; validate the whole.

    ``path`` may be the name of a config that comes with the package, and so may what a file extends.

    Raises:
        UserError: With the file and line (or the override) of the first fault.
    """
    return validated(read(path, overrides), str(path))


def from_data(data: dict[str, Any], overrides: Sequence[str] = ()) -> Config:
    """Return the config that plain data is, with the overrides; UserError as for a file."""
    return validated(reduce(_override, overrides, Document(deepcopy(data), {})), "config")


def read(path: Path, overrides: Sequence[str] = ()) -> Document:
    """Read ``path``, what it extends, and the overrides, unchecked."""
    return reduce(_override, overrides, _read_with_bases(located(path), (), ""))


def validated(document: Document, name: str) -> Config:
    """Return the config that ``document`` is; ``name`` is the place of what has no other."""
    data = document.data
    if isinstance(data.get("seeds"), str):
        data["seeds"] = parse_seeds(data["seeds"], document.place(("seeds",)) + ": seeds")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise UserError(_describe(error, document, name)) from None


def to_yaml(config: Config) -> str:
    """Return ``config`` as YAML that `load` reads back as an equal config."""
    return write_text(config.model_dump(mode="json", exclude={"sweep"} if config.sweep is None else None))


def with_values(config: Config, values: Mapping[str, Any], place: str) -> Config:
    """Return ``config`` with other values at dotted keys; errors of them begin with ``place``."""
    document = Document(config.model_dump(mode="json", exclude={"sweep"}), {})
    for key, value in values.items():
        document = assign(document, key, value, f"{place}: {key}")
    return validated(document, place)


def described() -> dict[str, str]:
    """Return what each experiment that comes with the package is for, by its config's name."""
    said = {name: read(path).data.get("experiment") for name, path in shipped().items()}
    return {name: section.get("description", "") for name, section in said.items() if section}


def start_of(name: str, experiment: str) -> str:
    """Return the shipped config ``name`` as one file to change, of an experiment called ``experiment``.

    Raises:
        UserError: There is no such config, or it is no whole experiment, or the experiment's name is none.
    """
    found = read(shipped()[name]) if name in shipped() else None
    if found is None or not found.data.get("experiment"):
        raise UserError(f"{name}: no config that comes with dba{nearest(name, list(described()))}")
    document = assign(found, "experiment.name", experiment, experiment)
    text = write_text({key: document.data[key] for key in Config.model_fields if key in document.data})
    validated(document, name)
    return text


def parse_seeds(text: str, place: str) -> list[int]:
    """Return the seeds that ``"3"`` or ``"0-4"`` (both ends included) names; ``place`` is for errors."""
    match = re.fullmatch(r"\s*([0-9]{1,10})(?:\s*-\s*([0-9]{1,10}))?\s*", text)
    if match is None:
        raise UserError(f"{place}: {text!r:.60} is no seed; give N or A-B, such as 0 or 0-4")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise UserError(f"{place}: the range {text!r} runs backwards; did you mean '{last}-{first}'?")
    if last > MAX_SEED or last - first >= 10_000:
        raise UserError(f"{place}: {text!r} is out of range (seeds 0 to {MAX_SEED}, at most 10000 of them)")
    return list(range(first, last + 1))


def _read_with_bases(path: Path, chain: tuple[Path, ...], named_by: str) -> Document:
    """Read ``path`` and its bases; ``named_by`` is the ``extends`` whose fault it is if it cannot be read."""
    document = read_file(path, named_by)
    if path.resolve() in chain:
        raise UserError(f"{named_by}{path} extends itself, directly or through others")
    if not isinstance(document.data, dict):
        raise UserError(f"{path}: a config is a mapping of sections, such as 'data:' and 'model:'")
    named_by = document.place(("extends",)) + ": extends: "
    base = document.data.pop("extends", None)
    if base is None:
        return document
    if not isinstance(base, str) or not base:
        raise UserError(f"{named_by}give one file, such as 'base.yaml', got {base!r:.60}")
    try:
        below = located(Path(base), path.parent)
    except UserError as error:
        raise UserError(f"{named_by}{error}") from None
    return _merge(_read_with_bases(below, (*chain, path.resolve()), named_by), document)


def _merge(base: Document, over: Document) -> Document:
    """Mappings merge key by key; every other value of ``over``, lists included, replaces the base's."""
    replaced: set[Where] = set()

    def merged(low: Any, high: Any, where: Where) -> Any:
        sections = isinstance(low, dict) and isinstance(high, dict)
        # A model of another kind has other keys.
        if not sections or (where == ("model",) and high.get("kind", low.get("kind")) != low.get("kind")):
            replaced.add(where)
            return high
        both = {key: merged(low[key], high[key], (*where, key)) for key in low if key in high}
        return {**low, **high, **both}

    data = merged(base.data, over.data, ())
    kept = {p: s for p, s in base.places.items() if not any(p[:i] in replaced for i in range(len(p) + 1))}
    return Document(data, {**kept, **over.places})


def _override(document: Document, text: str) -> Document:
    """Apply one ``dotted.key=value``; the value is YAML, an entry of a named list goes by its name."""
    place = f"--set {text}"
    key, equals, value_text = text.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise UserError(f"{place}: give KEY=VALUE with a dotted key, such as training.epochs=5")
    return assign(document, key.strip(), read_text(value_text, place).data, place)


def assign(document: Document, key: str, value: Any, place: str) -> Document:
    """Return ``document`` with ``value`` at a dotted key; ``place`` is where that was asked for."""
    parts = key.split(".")
    if not all(parts):
        raise UserError(f"{place}: {key!r:.60} is no dotted key, such as training.epochs")
    data = deepcopy(document.data)
    where: Where = ()
    opened: dict[Where, str] = {}
    target: Any = data
    for i, part in enumerate(parts):
        step: str | int = part
        if isinstance(target, list):
            step = _position(target, part, place)
        elif not isinstance(target, dict):
            shown = ".".join(parts[:i])
            raise UserError(f"{place}: {shown} is the single value {target!r:.60}, it has no {part!r}")
        where = (*where, step)
        if where == ("model", "kind") and value != target.get("kind"):
            # As in a file: a model of another kind has other keys. Those that options have set stay.
            for other in [other for other in target if ("model", other) not in document.changed]:
                del target[other]
        if i == len(parts) - 1:
            target[step] = value
        elif isinstance(target, dict) and target.get(part) is None:
            # Sections left to their defaults are opened; a wrong name is caught by the schema.
            target[part] = {}
            opened[where] = place
        target = target[step]
    changed = {where[:i]: place for i in range(len(where) + 1)}
    outside, changed_outside = (
        {p: s for p, s in places.items() if p[: len(where)] != where}
        for places in (document.places, document.changed)
    )
    return Document(data, {**outside, **opened, where: place}, {**changed_outside, **changed})


def _position(entries: list[Any], part: str, place: str) -> int:
    names = [str(entry.get("name")) if isinstance(entry, dict) else None for entry in entries]
    if part in names:
        return names.index(part)
    if re.fullmatch(r"[0-9]{1,9}", part) and int(part) < len(entries):
        return int(part)
    known = [name for name in names if name is not None]
    raise UserError(
        f"{place}: no entry {part!r:.60} in the list of {len(entries)}{did_you_mean(part, known)}"
    )


def _describe(error: ValidationError, document: Document, name: str) -> str:
    """Return the first fault, most specific kind first, and how many more there are."""
    faults = error.errors(include_url=False)
    # An unknown key is usually what causes a missing one; name the cause.
    first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    where, shown = _path(first["loc"], document.data)
    # A section whose values contradict one another: the option that last changed one of them did it.
    place = document.changed.get(where) if first["type"] == "value_error" else None
    place = place or document.place(where) or name
    line = f"{place}: {'.'.join(shown) or 'config'}: {_what(first, document.data)}"
    return line + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "")


def _path(loc: tuple[int | str, ...], data: Any) -> tuple[Where, list[str]]:
    """Turn pydantic's location into a path into the data and the names a person knows."""
    where: list[str | int] = []
    shown: list[str] = []
    node = data
    for step in loc:
        if isinstance(node, dict) and isinstance(step, str):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int):
            node = node[step] if step < len(node) else None
        else:
            continue  # of a value that may be written in several ways
        where.append(step)
        named = isinstance(step, int) and isinstance(node, dict) and isinstance(node.get("name"), str)
        shown.append(f"{node['name'] if named and node is not None else step!s:.60}")
    return tuple(where), shown


def _what(fault: Any, data: Any) -> str:
    kind, context, value = fault["type"], fault.get("ctx", {}), fault["input"]
    if kind == "extra_forbidden":
        key = str(fault["loc"][-1])
        return f"unknown key {key!r:.60}{did_you_mean(key, _keys(fault['loc'][:-1], data))}"
    if kind == "missing":
        return "required, but not given"
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ",").split(",")]
        return f"unknown choice {value!r:.60}{did_you_mean(str(value), choices)}"
    if kind in {"model_type", "model_attributes_type"}:
        return f"a section with keys is needed, got {value!r:.60}"
    if kind == "value_error":
        return str(context["error"])
    message = fault["msg"][0].lower() + fault["msg"][1:]
    return f"{message}, got {value!r:.60}" if not isinstance(value, dict) else message


def _keys(loc: tuple[int | str, ...], data: Any) -> list[str]:
    """Return the keys that the schema knows at ``loc``."""
    section: type[BaseModel] | None = Config
    for step in loc:
        data = data[step]
        if isinstance(step, str) and section is not None:
            section = _section_in(section.model_fields[step].annotation)
        if section is not None and issubclass(section, Kinded) and isinstance(data, dict):
            section = section.of_kind(data["kind"])
    return sorted(section.model_fields) if section is not None else []


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section class inside an annotation such as ``list[A] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)
