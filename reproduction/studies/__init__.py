"""The studies: each is a module here with a subclass of `Study`, and a template of the same name."""

from importlib import import_module
from pkgutil import iter_modules

from reproduction.command import Place
from reproduction.study import Study


def studies(place: Place) -> dict[str, Study]:
    """Return every study by the name of its module, in the order of running and of the report."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    kinds = sorted(_below(Study), key=lambda kind: kind.chapter)
    return {kind.__module__.rpartition(".")[2]: kind(place) for kind in kinds}


def _below(kind: type[Study]) -> list[type[Study]]:
    """Return the subclasses, and theirs: one study may do what another does, with other commands."""
    return [each for own in kind.__subclasses__() for each in (own, *_below(own))]
