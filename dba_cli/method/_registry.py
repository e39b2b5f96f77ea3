"""Things found by name: metrics, orders, rules and more, the package's own and a user's."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A table of named entries of one kind.

    A name with a colon, ``package.module:name``, imports ``package.module`` first, so that a config file
    can name an entry which a user's module registers; with `attributes`, also one that it defines.
    """

    def __init__(self, kind: str, attributes: bool = False) -> None:
        self._kind = kind
        self._attributes = attributes
        self._entries: dict[str, T] = {}
        self._libraries: dict[str, Callable[[str], T]] = {}

    def add(self, name: str, entry: T) -> None:
        """Register `entry` under `name`; ValueError if the name is taken by something else."""
        if ":" in name:
            raise ValueError(f"{self._kind} name {name!r} contains a colon, which separates module and name")
        if name in self._entries:
            raise ValueError(f"{self._kind} {name!r} is already registered; choose another name")
        self._entries[name] = entry

    def add_library(self, module: str, find: Callable[[str], T]) -> None:
        """Let ``module:name`` be what `find` returns of ``name``; it raises ValueError where it has none."""
        self._libraries[module] = find

    def register(self, name: str) -> Callable[[T], T]:
        """`add` as a decorator."""

        def register(entry: T) -> T:
            self.add(name, entry)
            return entry

        return register

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> T:
        module, _, short = name.rpartition(":")
        if module in self._libraries:
            return self._libraries[module](short)
        if module:
            try:
                imported = import_module(module)
            except Exception as error:  # the module is a user's: any line of it may fail
                raise ValueError(
                    f"{self._kind} {name!r}: its module cannot be imported ({type(error).__name__}: {error});"
                    " install it or add its folder to PYTHONPATH"
                ) from error
            defined = getattr(imported, short, None) if self._attributes else None
            if callable(defined) and short not in self._entries:
                return cast(T, defined)
        try:
            return self._entries[short]
        except KeyError:
            raise ValueError(self._unknown(short)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self._entries, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(self)}"
        return f"unknown {self._kind} {name!r}; {hint}"
