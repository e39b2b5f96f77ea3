"""YAML to plain data, with the file and line of every value, and without YAML's surprises.

Only mappings with string keys, lists, and the scalars of YAML 1.2's core schema: ``1e-3`` is a
number and ``no`` a string. Repeated keys, tags, merge keys and documents that expand without bound
are refused, since each of them makes a config say something other than what a reader sees.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dba_cli.errors import UserError

Where = tuple[str | int, ...]  # path of keys and list positions into the data

_MAX_BYTES = 1_000_000
_MAX_VALUES = 20_000
_MAX_DEPTH = 30


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's core scalars in place of 1.1's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own)


for _tag, _pattern, _first in [
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
]:
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


@dataclass(frozen=True)
class Document:
    """Plain data and, for each path into it, where it was written (``file:line``)."""

    data: Any
    places: dict[Where, str]

    def place(self, where: Where) -> str:
        """Return the place of ``where``, or of the nearest enclosing value that was written down."""
        while where and where not in self.places:
            where = where[:-1]
        return self.places.get(where, "")


def read_file(path: Path) -> Document:
    """Read one YAML file; raise UserError for a missing, unreadable or malformed one."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{_nearby(path)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > _MAX_BYTES:
        raise UserError(f"{path}: {len(raw)} bytes is no config (at most {_MAX_BYTES})")
    return _parse(raw, lambda line: f"{path}:{line}", str(path))


def read_text(text: str, place: str) -> Document:
    """Read a value given on the command line; ``place`` is what errors call it."""
    return _parse(text.encode(errors="surrogateescape"), lambda line: place, place)


def _nearby(path: Path) -> str:
    from dba_cli.errors import did_you_mean

    try:
        choices = sorted(p.name for p in path.parent.iterdir() if p.suffix in {".yaml", ".yml"})
    except OSError:
        return ""
    return did_you_mean(path.name, choices)


def _parse(raw: bytes, at: Any, name: str) -> Document:
    try:
        loader = _CoreLoader(raw)
        try:
            node = loader.get_single_node()
            return _Reader(loader, at).document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = at(mark.line + 1) if mark else name
        raise UserError(f"{where}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{name}: nested too deeply (at most {_MAX_DEPTH} levels)") from None


class _Reader:
    def __init__(self, loader: _CoreLoader, at: Any) -> None:
        self.loader, self.at = loader, at
        self.places: dict[Where, str] = {}

    def document(self, node: yaml.Node | None) -> Document:
        data = None if node is None else self.value(node, ())
        return Document(data, self.places)

    def value(self, node: yaml.Node, where: Where) -> Any:
        place = self.at(node.start_mark.line + 1)
        self.places.setdefault(where, place)
        # Aliases are walked each time they are used, so this bounds what they expand to.
        if len(self.places) > _MAX_VALUES:
            raise UserError(f"{place}: the file expands to more than {_MAX_VALUES} values")
        if len(where) > _MAX_DEPTH:
            raise UserError(f"{place}: nested too deeply (at most {_MAX_DEPTH} levels)")
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self.mapping(node, where)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.value(item, (*where, i)) for i, item in enumerate(node.value)]
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if isinstance(node, yaml.ScalarNode) and kind in {"null", "bool", "int", "float", "str"}:
            return self.loader.construct_object(node)
        raise UserError(f"{place}: the YAML tag {node.tag!r} is not allowed in a config; write a plain value")

    def mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self.at(key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                raise UserError(f"{place}: a key must be a word, got {getattr(key_node, 'value', '')!r:.60}")
            key = key_node.value
            if key == "<<":
                raise UserError(f"{place}: merge keys are not supported; use 'extends: other.yaml'")
            if key in data:
                raise UserError(f"{place}: the key {key!r} stands twice in one mapping; keep one")
            self.places[(*where, key)] = place
            data[key] = self.value(value_node, (*where, key))
        return data
