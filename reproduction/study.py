"""What every module of ``reproduction.studies`` has: commands, tables, figures, claims and chosen configs."""

from pathlib import Path
from typing import ClassVar

from matplotlib.figure import Figure

from reproduction.claims import Claim
from reproduction.command import Command, Place


class Study:
    """One part of the report and all that it is made of; its tables are methods that the template calls."""

    chapter: ClassVar[int]
    """Its place in the order of the studies, in which they run and are reported."""

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def commands(self) -> list[Command]:
        """Return the commands, which the constructor declares in the order in which they are done."""
        return [each for each in vars(self).values() if isinstance(each, Command)]

    @property
    def ready(self) -> bool:
        """Return whether there are runs of every command."""
        return all(len(command.runs) for command in self.commands)

    def chosen(self) -> dict[Path, str]:
        """Return the configs that the tuning's records fill."""
        return {}

    def after_run(self, data_dir: Path) -> None:
        """Digest more of a command's records than its runs, right after it."""

    def figures(self) -> dict[str, Figure]:
        """Return the figures by name."""
        return {}

    def claims(self) -> list[Claim]:
        """Return every claim that is tested here, under every protocol."""
        return []
