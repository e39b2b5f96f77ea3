"""YAML to plain data, with the file and line of every value, and without YAML's surprises.

Only mappings with string keys, lists, and the scalars of YAML 1.2's core schema (decimal ones):
``1e-3`` is a number, ``010`` is ten and ``no`` a string. Repeated keys, tags, merge keys and
documents that expand without bound are refused, since each of them makes a config say something
other than what a reader sees.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dba_cli.errors import UserError, did_you_mean

Where = tuple[str | int, ...]  # path of keys and list positions into the data

MAX_DEPTH = 30
_MAX_BYTES = 1_000_000
_MAX_VALUES = 20_000
_MAX_DIGITS = 400  # enough for every float; Python itself refuses some thousands

_BOOLS = {"true": True, "false": False}


class UnreadableError(UserError):
    """The file is not there or cannot be read."""


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's core scalars in place of 1.1's, no tags, and bounds."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own)

    def __init__(self, text: str, at: Callable[[int], str]) -> None:
        self._at, self._depth, self._values = at, 0, 0
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Checked while parsing: a hostile file is refused long before it is read to its end.
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        place = self._at(event.start_mark.line + 1)
        if getattr(event, "tag", None) is not None:
            raise UserError(f"{place}: the YAML tag {event.tag!r:.60} is not allowed; write a plain value")
        is_key = isinstance(parent, yaml.MappingNode) and index is None
        self._values += not is_key
        _check_bounds(self._depth, self._values, place)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _CoreDumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which also quotes the strings that YAML 1.2 would read as numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Line breaks of every kind are escaped: PyYAML folds some of them (NEL) away otherwise.
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')


_CoreDumper.add_representer(str, _CoreDumper.represent_str)


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
    for _class in (_CoreLoader, _CoreDumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _check_bounds(depth: int, values: int, place: str) -> None:
    if depth > MAX_DEPTH:
        raise UserError(f"{place}: nested too deeply (at most {MAX_DEPTH} levels)")
    if values > _MAX_VALUES:
        raise UserError(f"{place}: more than {_MAX_VALUES} values are no config")


@dataclass(frozen=True)
class Document:
    """Plain data and, for each path into it, where it was written (``file:line``).

    ``changed`` names, for a section, the option that last changed a value inside it.
    """

    data: Any
    places: dict[Where, str]
    changed: dict[Where, str] = field(default_factory=dict)

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
        raise UnreadableError(f"{path}: no such file{_nearby(path)}") from None
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:  # a NUL or half a surrogate pair
        raise UnreadableError(f"{path}: no file can have this name") from None
    if len(raw) > _MAX_BYTES:
        raise UserError(f"{path}: {len(raw)} bytes is no config (at most {_MAX_BYTES})")
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise UserError(
            f"{path}:{line}: not valid YAML: not {encoding[:6].rstrip('-').upper()} text"
        ) from None
    return _parse(text, lambda line: f"{path}:{line}")


def read_text(text: str, place: str) -> Document:
    """Read a value given on the command line; ``place`` is what errors call it."""
    return _parse(text, lambda line: place)


def write_text(data: Any) -> str:
    """Return plain data as YAML that reads back to the same, here and by YAML 1.1's rules."""
    return yaml.dump(data, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True)


def _nearby(path: Path) -> str:
    try:
        choices = sorted(p.name for p in path.parent.iterdir() if p.suffix in {".yaml", ".yml"})
    except OSError:
        return ""
    return did_you_mean(path.name, choices)


def _parse(text: str, at: Callable[[int], str]) -> Document:
    try:
        loader = _CoreLoader(text, at)
    except yaml.reader.ReaderError as error:
        place = at(text[: error.position].count("\n") + 1)
        raise UserError(
            f"{place}: not valid YAML: the character U+{error.character:04X} is not allowed"
        ) from None
    try:
        return _Reader(at).document(loader.get_single_node())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = at((mark.line if mark else loader.line) + 1)
        raise UserError(f"{place}: not valid YAML: {error.problem or error.context}") from None
    except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF"
        raise UserError(f"{at(loader.line + 1)}: not valid YAML: no such character") from None
    finally:
        loader.dispose()


class _Reader:
    def __init__(self, at: Callable[[int], str]) -> None:
        self.at = at
        self.places: dict[Where, str] = {}

    def document(self, node: yaml.Node | None) -> Document:
        data = None if node is None else self.value(node, ())
        return Document(data, self.places)

    def value(self, node: yaml.Node, where: Where) -> Any:
        place = self.at(node.start_mark.line + 1)
        self.places.setdefault(where, place)
        # Aliases are walked each time they are used, so this bounds what they expand to.
        _check_bounds(len(where), len(self.places), place)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*where, i)) for i, item in enumerate(node.value)]
        return _scalar(node, place)

    def mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self.at(key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                got = (
                    f"{key_node.value!r:.60}" if isinstance(key_node, yaml.ScalarNode) else f"a {key_node.id}"
                )
                raise UserError(f"{place}: a key must be a word, got {got}")
            key = key_node.value
            if key == "<<":
                raise UserError(f"{place}: merge keys are not supported; use 'extends: other.yaml'")
            if key in data:
                raise UserError(f"{place}: the key {key!r:.60} stands twice in one mapping; keep one")
            self.places[(*where, key)] = place
            data[key] = self.value(value_node, (*where, key))
        return data


def _scalar(node: yaml.Node, place: str) -> Any:
    kind, text = node.tag.removeprefix("tag:yaml.org,2002:"), node.value
    if kind == "null":
        return None
    if kind == "bool":
        return _BOOLS[text.lower()]
    if kind in {"int", "float"} and len(text) > _MAX_DIGITS:
        raise UserError(f"{place}: a number of {len(text)} digits is out of range")
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(text.replace(".", "") if text[-1] in "fFnN" else text)  # .inf and .nan
    return text
