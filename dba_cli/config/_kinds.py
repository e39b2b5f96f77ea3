"""Sections whose ``kind`` names an entry of a table, and whose other keys are that entry's arguments."""

import inspect
import operator
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Strict, ValidationError, create_model, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from dba_cli.errors import did_you_mean

Builder = Callable[..., Any]


class Section(BaseModel):
    """A section of a config file."""

    # Strict: "5" is not 5 and 1 is not true; a config that only looks right is refused.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class Kinded(Section):
    """A section with a kind; validating it gives an instance of the class that has the kind's keys.

    The keys of a kind are the parameters of what the table holds for it: their annotations are checked as a
    section's are, their defaults are the keys' defaults.
    """

    table: ClassVar[Mapping[str, Builder]]
    special: ClassVar[dict[str, type["Kinded"]]] = {}  # kinds whose section is written out
    general: ClassVar[type["Kinded"] | None] = None  # the section of any kind, of which this has one kind

    kind: str

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the table's entry."""
        not_arguments = (self.general or type(self)).model_fields
        keys = [key for key in type(self).model_fields if key not in not_arguments]
        return {key: getattr(self, key) for key in keys} | (self.model_extra or {})

    @staticmethod
    def supplied(parameters: list[str]) -> list[str]:
        """Return those ``parameters`` of an entry that the program gives, which are no keys: the first."""
        return parameters[:1]

    @staticmethod
    def unusable(builder: Builder) -> str | None:
        """Return why what the table holds is refused all the same, None where it is not."""
        return None

    @classmethod
    def of_kind(cls, kind: str) -> type["Kinded"]:
        """Return the section of a kind; ValueError where there is none, or it cannot be used."""
        if kind in cls.special:
            return cls.special[kind]
        if ":" not in kind and kind not in cls.table:
            kinds = [name for name in cls.table if cls.unusable(cls.table[name]) is None]
            raise ValueError(f"unknown kind {kind!r:.60}{did_you_mean(kind, [*kinds, *cls.special])}")
        reason = cls.unusable(cls.table[kind])
        if reason is not None:
            raise ValueError(f"{kind} cannot be used: {reason}")
        return _section(cls, kind, cls.table[kind])

    def check_arguments(self) -> None:
        """Raise ValueError where each key is right by itself and their values together are not."""

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Any:
        if not isinstance(value, dict):
            return handler(value)
        if cls.general is not None:
            section = handler(value)
            section.check_arguments()
            return section
        kind = value.get("kind")
        fault: Any = {"type": "string_type" if "kind" in value else "missing", "loc": ("kind",)}
        if isinstance(kind, str):
            try:
                section_of_kind = cls.of_kind(kind)
            except ValueError as error:
                fault = {"type": "value_error", "loc": ("kind",), "ctx": {"error": error}}
            else:
                return section_of_kind.model_validate(value)
        raise ValidationError.from_exception_data(cls.__name__, [fault | {"input": kind}])

    def __reduce__(self) -> tuple[Any, ...]:
        # Classes made of signatures cannot be found by name in another process.
        return (self.general or type(self)).model_validate, (self.model_dump(),)


@cache
def _section(parent: type[Kinded], kind: str, builder: Builder) -> type[Kinded]:
    parameters = inspect.signature(builder).parameters
    supplied = parent.supplied(list(parameters))
    try:
        function = builder.__init__ if isinstance(builder, type) else builder  # type: ignore[misc]
        annotations = get_type_hints(function, include_extras=True)
    except Exception:  # a name that only a type checker knows, or none at all
        annotations = {}
    fields: dict[str, Any] = {"kind": (Literal[kind], ...)}
    extra: Any = "forbid"
    for name, parameter in parameters.items():
        default = ... if parameter.default is parameter.empty else parameter.default
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = "allow"  # what goes on to another function, which checks it
        elif name in supplied or parameter.kind is parameter.VAR_POSITIONAL or not _is_plain(default):
            continue
        elif name in parent.model_fields or name[0] == "_" or parameter.kind is parameter.POSITIONAL_ONLY:
            raise ValueError(f"{kind!r} cannot be used: its parameter {name!r} cannot be a key; rename it")
        else:
            annotation = _plain(annotations.get(name, _GUESSED.get(type(default), Any)))
            if default is None and get_origin(annotation) is Annotated:  # so that what describes it stays
                inner, *described = get_args(annotation)
                annotation = Annotated[inner | None, *described]
            elif default is None:
                annotation = annotation | None
            fields[name] = (annotation, default)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a key such as "copy" hides a method that nothing calls
        section = create_model(
            parent.__name__,
            __base__=parent,
            __doc__=inspect.getdoc(builder),
            __module__=__name__,
            __cls_kwargs__={"extra": extra, "use_attribute_docstrings": False},
            **fields,
        )
    section.general = parent
    return section


_GUESSED: dict[type, Any] = {bool: bool, int: int | float, float: float, str: str}  # by the default's


def _plain(annotation: Any) -> Any:
    """Return the annotation without what YAML cannot hold, such as tensors: Any where nothing is left."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[_plain(arguments[0]), *annotation.__metadata__]
    if origin in (Union, types.UnionType):
        kept = [plain for plain in map(_plain, arguments) if plain is not Any]
        return reduce(operator.or_, kept) if kept else Any
    if origin in (tuple, list, Sequence):  # a list in YAML
        inner = tuple(each if each is ... else _plain(each) for each in arguments)
        inner = inner if origin is tuple else (*inner, ...)
        return Annotated[tuple[inner], Strict(False)]  # type: ignore[valid-type]
    known = annotation in (bool, int, float, str, type(None)) or origin is Literal
    return annotation if known else Any


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or value is ... or isinstance(value, bool | int | str | float)
