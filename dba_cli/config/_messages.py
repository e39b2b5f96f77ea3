"""Pydantic's validation errors as one line: place, key, what is wrong, the nearest valid choice."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from dba_cli.config._kinds import Kinded
from dba_cli.config._schema import Config
from dba_cli.config._yaml import Document, Where
from dba_cli.errors import did_you_mean


def describe(error: ValidationError, document: Document, name: str) -> str:
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
