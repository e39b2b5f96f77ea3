"""Pydantic's validation errors as one line: place, key, what is wrong, the nearest valid choice."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

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
    line = f"{place}: {'.'.join(shown) or 'config'}: {_what(first)}"
    return line + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "")


def _path(loc: tuple[int | str, ...], data: Any) -> tuple[Where, list[str]]:
    """Turn pydantic's location into a path into the data and the names a person knows."""
    where: list[str | int] = []
    shown: list[str] = []
    node = data
    for i, step in enumerate(loc):
        is_key = isinstance(node, dict) and step in node and i == len(loc) - 1
        if isinstance(node, dict) and step == node.get("kind") and not is_key:
            continue  # the tag that chose a union's member is no key
        where.append(step)
        node = node[step] if _has(node, step) else None
        named = isinstance(step, int) and isinstance(node, dict) and isinstance(node.get("name"), str)
        shown.append(f"{node['name'] if named and node is not None else step!s:.60}")
    return tuple(where), shown


def _has(node: Any, step: Any) -> bool:
    if isinstance(node, list):
        return isinstance(step, int) and step < len(node)
    return isinstance(node, dict) and step in node


def _what(fault: Any) -> str:
    kind, context, value = fault["type"], fault.get("ctx", {}), fault["input"]
    if kind == "extra_forbidden":
        key = str(fault["loc"][-1])
        return f"unknown key {key!r:.60}{did_you_mean(key, _keys(fault['loc'][:-1]))}"
    if kind == "missing":
        return "required, but not given"
    if kind == "union_tag_not_found":
        return "required key 'kind' is not given"
    if kind == "union_tag_invalid":
        tags = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
        return f"unknown kind {context['tag']!r:.60}{did_you_mean(str(context['tag']), tags)}"
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ",").split(",")]
        return f"unknown choice {value!r:.60}{did_you_mean(str(value), choices)}"
    if kind in {"model_type", "model_attributes_type"}:
        return f"a section with keys is needed, got {value!r:.60}"
    if kind == "value_error":
        return str(context["error"])
    message = fault["msg"][0].lower() + fault["msg"][1:]
    return f"{message}, got {value!r:.60}" if not isinstance(value, dict) else message


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the schema knows at ``loc``."""
    models: list[Any] = [Config]
    for step in loc:
        found: list[Any] = []
        for model in models:
            if step in model.model_fields:
                found += _models(model.model_fields[str(step)].annotation)
            elif isinstance(step, int) or _tagged(model, step):
                found.append(model)
        models = found
    return sorted({key for model in models for key in model.model_fields})


def _tagged(model: Any, step: int | str) -> bool:
    kind = model.model_fields.get("kind")
    return kind is not None and step in get_args(kind.annotation)


def _models(annotation: Any) -> list[Any]:
    """Return the section classes inside an annotation such as ``list[A | B]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
