"""Write docs/configs.md from the schema: every key, what it may be, and its default."""

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dba_cli.config import Config, Kinded
from dba_cli.records import write_atomically

PAGE = Path(__file__).parents[1] / "docs/configs.md"
_HEAD = """\
# Configs

<!-- Written by `make docs` from the schema; a test compares. -->

A config is a YAML file. It says what differs from the file that it `extends`: mappings merge key by key,
lists are replaced whole, and `null` gives a key its default again. Unknown keys, wrong types and impossible
values are refused in one line that names the file, the line and the nearest valid choice.

```bash
dba inspect mnist_1pct
dba run smoke --set data.source=embedded --set optimizers.dba.metric=variance --results try
```

`--set KEY=VALUE` overrides a value and is checked like the file; an entry of a list is addressed by its name
(`optimizers.dba.metric`). Seeds are a list or a range such as `0-4`.

In `model`, in an entry of `optimizers` and in a `loss`, `kind` decides which keys there are. A class of
torch.optim goes by its name (`kind: AdamW`), a network, an optimizer or a loss of your own by `module:name`;
their arguments are the keys, with the types and defaults of the signature:
[adding-a-model.md](adding-a-model.md).
"""
_BOUNDS = {
    annotated_types.Ge: ("ge", "at least {}"),
    annotated_types.Gt: ("gt", "above {}"),
    annotated_types.Le: ("le", "at most {}"),
    annotated_types.Lt: ("lt", "below {}"),
}
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Any: "any value"}


def page() -> str:
    """Return the text of docs/configs.md."""
    parts = [_HEAD]
    for name, section in _sections(Config, "", []):
        parts.append(
            f"\n## {f'`{name}`' if name else 'The whole file'}\n\n{_first_line(section)}\n\n{_table(section)}"
        )
    return "".join(parts)


def _sections(model: type[BaseModel], name: str, seen: list[Any]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the sections and, of each table, its kinds once."""
    yield name, model
    for key, field in model.model_fields.items():
        for inner in _models(field.annotation):
            title = f"{name}.{key}".lstrip(".")
            if inner in seen:
                continue
            yield from _sections(inner, title, seen)
            if not issubclass(inner, Kinded):
                continue
            seen.append(inner)
            if inner.table not in seen:
                seen.append(inner.table)
                for kind, section in _own_kinds(inner):
                    yield from _sections(section, f"{title}: {kind}", seen)


def _own_kinds(section: type[Kinded]) -> Iterator[tuple[str, type[Kinded]]]:
    """The kinds that this package defines, not those of torch.optim."""
    for kind, builder in section.table.items():
        if builder.__module__.startswith("dba_cli."):
            yield kind, section.of_kind(kind)
    yield from section.special.items()


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _first_line(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ").replace("``", "`")


def _table(section: type[BaseModel]) -> str:
    rows = ["| key | what it may be | default | |", "| :-- | :-- | :-- | :-- |"]
    for key, field in section.model_fields.items():
        description = " ".join((field.description or _documented(field.annotation)).split())
        cells = (f"`{key}`", _type(field.annotation, field.metadata), _default(field), description)
        rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _type(annotation: Any, metadata: Any = ()) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], [*_flat(arguments[1:]), *metadata])
    bounds = ", ".join(
        text.format(_number(getattr(each, name)))
        for each in _flat(metadata)
        for kind, (name, text) in _BOUNDS.items()
        if isinstance(each, kind)
    )
    tail = f", {bounds}" if bounds else ""
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        kinds = [_type(each) for each in arguments if each is not type(None)]
        return " or ".join(dict.fromkeys(kinds)) + tail
    if origin in (list, tuple):
        return f"list: {_type(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return _PLAIN[annotation] + tail


def _number(value: float) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:g}"


def _flat(metadata: Any) -> Iterator[Any]:
    for each in metadata:
        yield from _flat(each.metadata) if isinstance(each, FieldInfo) else [each]


def _documented(annotation: Any) -> str:
    """Return the first line of the section that a key is."""
    models = _models(annotation)
    return _first_line(models[0]) if len(models) == 1 else ""


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, BaseModel):
        values = field.default.model_dump(exclude_none=True, exclude_unset=True)
        return f"`{values}`" if values else "as there"
    if isinstance(field.default, tuple):
        return f"`{list(field.default)}`"
    return (
        "none"
        if field.default in ("", {})
        else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
    )


if __name__ == "__main__":
    write_atomically(PAGE, page())
