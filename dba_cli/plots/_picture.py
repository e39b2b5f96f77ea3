"""A figure with its place and its words, and why a figure is not there."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from dba_cli.plots._read import Study


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure; ``stem`` is the name of its files, ``experiment`` None where it shows several."""

    stem: str
    kind: str
    experiment: str | None
    caption: str
    figure: Figure


def picture_of(study: Study, kind: str, detail: str, says: str, figure: Figure) -> Picture:
    """Return a picture of one study; ``detail`` tells it from others of its kind, if there are any."""
    stem = "-".join(part for part in (study.name, kind, detail) if part)
    return Picture(stem, kind, study.name, f"{study.section.experiment}: {says}.", figure)


class Notes:
    """Why pictures are missing, each reason once."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def add(self, kind: str, reason: str) -> None:
        """Remember that ``kind`` lacks something."""
        kinds = self._kinds.setdefault(reason, [])
        if kind not in kinds:
            kinds.append(kind)

    def why(self, kind: str) -> str:
        """Return the first reason why ``kind`` could not be made."""
        return next((reason for reason, kinds in self._kinds.items() if kind in kinds), "nothing to draw")

    def lines(self) -> list[str]:
        """Return a line for each reason: which kinds, and what they lack."""
        return [f"{', '.join(kinds)}: not made: {reason}" for reason, kinds in self._kinds.items()]
