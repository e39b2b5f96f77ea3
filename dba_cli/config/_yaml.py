"""YAML to plain data, with the file and line of every value, and without YAML's surprises.

Only mappings with string keys, lists, and the scalars of YAML 1.2's core schema (decimal ones): ``1e-3`` is a
number, ``010`` is ten and ``no`` a string. Repeated keys, tags and merge keys are refused, since each of them
makes a config say something other than what a reader sees.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dba_cli.errors import UserError, did_you_mean
from dba_cli.records import read_bytes

Where = tuple[str | int, ...]  # path of keys and list positions into the data

_TAG = "tag:yaml.org,2002:"
_LARGEST = 2**22  # bytes of a config
_LONGEST_INT = 400  # Python refuses to read some thousands of digits; of these no key can be one
_SCALARS: dict[str, tuple[str, Callable[[str], Any]]] = {  # pattern, meaning
    "null": (r"^(?:~|null|Null|NULL|)$", lambda text: None),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", lambda text: text.lower() == "true"),
    "int": (r"^[-+]?[0-9]+$", lambda text: int(text) if len(text) <= _LONGEST_INT else float(text)),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        lambda text: float(text.replace(".", "") if text[-1] in "fFnN" else text),  # .inf and .nan
    ),
}


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's core scalars in place of 1.1's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            problem = f"the tag {event.tag!r:.60} is not allowed; write a plain value"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


class _CoreDumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which also quotes the strings that YAML 1.2 would read as numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Line breaks of every kind are escaped: PyYAML folds some of them (NEL) away otherwise.
        return self.represent_scalar(_TAG + "str", data, style=None if data.isprintable() else '"')


_CoreDumper.add_representer(str, _CoreDumper.represent_str)
for _name, (_pattern, _) in _SCALARS.items():
    for _class in (_CoreLoader, _CoreDumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(_pattern), None)


@dataclass(frozen=True)
class Document:
    """Plain data and, for each path into it, where it was written (``file:line``).

    ``changed`` names, for a value and for the sections around it, the option that last changed it.
    """

    data: Any
    places: dict[Where, str]
    changed: dict[Where, str] = field(default_factory=dict)

    def place(self, where: Where) -> str:
        """Return the place of ``where``, or of the nearest enclosing value that was written down."""
        while where and where not in self.places:
            where = where[:-1]
        return self.places.get(where, "")


def read_file(path: Path, named_by: str = "") -> Document:
    """Read one YAML file; ``named_by`` stands before the path in errors of one that cannot be read."""
    try:
        found = read_bytes(path, _LARGEST)
    except UserError as error:
        raise UserError(f"{named_by}{error}") from None
    except ValueError:  # a NUL or half a surrogate pair
        raise UserError(f"{named_by}{path}: no file can have this name") from None
    if found is None and path.parent.exists() and not path.parent.is_dir():
        raise UserError(f"{named_by}{path}: cannot be read (Not a directory)")
    if found is None:
        near = did_you_mean(path.name, sorted(p.name for p in path.parent.glob("*.y*ml")))
        raise UserError(f"{named_by}{path}: no such file{near}") from None
    raw = found
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


def _parse(text: str, at: Callable[[int], str]) -> Document:
    places: dict[Where, str] = {}
    reason: str | None
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
        return Document(None if node is None else _value(node, (), at, places), places)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n")
        reason = f"the character U+{error.character:04X} is not allowed"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, reason = mark.line if mark else loader.line, error.problem or error.context
    except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF"
        line, reason = loader.line, "no such character"
    except RecursionError:  # or an alias that holds itself
        line, reason = 0, "nested too deeply"
    raise UserError(f"{at(line + 1)}: not valid YAML: {reason}")


def _value(node: yaml.Node, where: Where, at: Callable[[int], str], places: dict[Where, str]) -> Any:
    places.setdefault(where, at(node.start_mark.line + 1))
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*where, i), at, places) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        kind = node.tag.removeprefix(_TAG)
        return _SCALARS[kind][1](node.value) if kind in _SCALARS else node.value
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = at(key_node.start_mark.line + 1)
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
            got = f"{key_node.value!r:.60}" if isinstance(key_node, yaml.ScalarNode) else f"a {key_node.id}"
            raise UserError(f"{place}: a key must be a word, got {got}")
        key = key_node.value
        if key == "<<":
            raise UserError(f"{place}: merge keys are not supported; use 'extends: other.yaml'")
        if key in data:
            raise UserError(f"{place}: the key {key!r:.60} stands twice in one mapping; keep one")
        places[(*where, key)] = place
        data[key] = _value(value_node, (*where, key), at, places)
    return data
