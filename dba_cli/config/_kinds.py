"""Sections whose ``kind`` names an entry of a table, and whose other keys are that entry's arguments."""

import inspect
import math
import operator
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    create_model,
    model_validator,
)

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
        protected_namespaces=(),
    )


class Kinded(Section):
    """A section with a kind; validating it gives an instance of the class that has the kind's keys.

    The keys of a kind are the parameters of what the table holds for it: their annotations are checked as a
    section's are, their defaults are the keys' defaults.
    """

    table: ClassVar[Mapping[str, Builder]]
    general: ClassVar[type["Kinded"] | None] = None  # the section of any kind, of which this has one kind

    kind: str

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the table's entry."""
        not_arguments = (self.general or type(self)).model_fields
        keys = [key for key in type(self).model_fields if key not in not_arguments]
        return {key: getattr(self, key) for key in keys} | (self.model_extra or {})

    @classmethod
    def kinds(cls) -> list[str]:
        """Return the kinds that errors offer."""
        return list(cls.table)

    @classmethod
    def supplied(cls, parameters: list[str]) -> list[str]:
        """Return those ``parameters`` of a table's entry that the program gives, which are no keys."""
        raise NotImplementedError

    @classmethod
    def of_kind(cls, kind: str) -> type[Self]:
        """Return the section of a kind.

        Raises:
            ValueError: There is no such kind, or its parameters cannot be keys.
        """
        if ":" not in kind and kind not in cls.table:
            raise ValueError(f"unknown kind {kind!r:.60}{did_you_mean(kind, cls.kinds())}")
        return _section(cls, kind, cls.table[kind])

    def check_arguments(self) -> None:
        """Raise ValueError where each key is right by itself and their values together are not."""

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, dict):
            return handler(value)
        if cls.model_fields["kind"].annotation is not str:  # this is the class of one kind
            section = handler(value)
            section.check_arguments()
            return section
        kind = value.get("kind")
        fault: Any = {
            "loc": ("kind",),
            "input": kind,
            "type": "string_type" if "kind" in value else "missing",
        }
        if isinstance(kind, str):
            try:
                return cls.of_kind(kind).model_validate(value)
            except ValidationError:
                raise
            except ValueError as error:
                fault |= {"type": "value_error", "ctx": {"error": error}}
        raise ValidationError.from_exception_data(cls.__name__, [fault])

    def __reduce__(self) -> tuple[Any, ...]:
        # Classes made of signatures cannot be found by name in another process.
        return (self.general or type(self)).model_validate, (self.model_dump(),)


KindedT = TypeVar("KindedT", bound=Kinded)


@cache
def _section(parent: type[KindedT], kind: str, builder: Builder) -> type[KindedT]:
    parameters = inspect.signature(builder).parameters
    supplied = parent.supplied(list(parameters))
    annotations = _annotations(builder)
    fields: dict[str, Any] = {"kind": (Literal[kind], ...)}
    extra: Any = "forbid"
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = "allow"  # what goes on to another function, which checks it
        elif name in supplied or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        elif (
            name in parent.model_fields or name.startswith("_") or parameter.kind is parameter.POSITIONAL_ONLY
        ):
            raise ValueError(f"{kind!r} cannot be used: its parameter {name!r} cannot be a key; rename it")
        elif parameter.default is parameter.empty:
            fields[name] = (_plain(annotations.get(name, Any)), ...)
        elif _is_plain(parameter.default):
            fields[name] = _field(annotations.get(name), parameter.default)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a key such as "copy" hides a method that nothing calls
        section = create_model(
            parent.__name__,
            __base__=parent,
            __doc__=inspect.getdoc(builder),
            __module__=__name__,
            __cls_kwargs__={"extra": extra},
            **fields,
        )
    section.general = parent
    return section


def _annotations(builder: Builder) -> dict[str, Any]:
    function = builder.__init__ if isinstance(builder, type) else builder  # type: ignore[misc]
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # a name that only a type checker knows, or none at all
        return {}


def _field(annotation: Any, default: Any) -> tuple[Any, Any]:
    """Return a key's type and default; without an annotation the default says what it may be."""
    if annotation is None:
        kinds: dict[type, Any] = {bool: bool, int: int | float, float: int | float, str: str}
        return kinds.get(type(default), Any), default
    plain = _plain(annotation)
    if default is None:
        plain = plain | None
    within = get_args(plain)[0] if get_origin(plain) is Annotated else plain
    return plain, list(default) if get_origin(within) is list and default is not None else default


def _plain(annotation: Any) -> Any:
    """Return the annotation without what YAML cannot hold, such as tensors: Any where nothing is left."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[_plain(arguments[0]), *annotation.__metadata__]
    if origin in (Union, types.UnionType):
        kept = [plain for plain in map(_plain, arguments) if plain is not Any]
        return reduce(operator.or_, kept) if kept else Any
    if annotation in (bool, int, float, str, type(None)) or origin is Literal:
        return annotation
    if origin is tuple:
        inner = tuple(each if each is ... else _plain(each) for each in arguments)
        return Annotated[tuple[inner], Strict(False)]  # type: ignore[valid-type]
    if origin in (list, Sequence):
        return list[_plain(arguments[0])]  # type: ignore[misc]
    return Any


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)
