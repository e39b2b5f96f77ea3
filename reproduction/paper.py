"""The draws that are studied: what each is called, and what the paper's abstract claims for it."""

from dataclasses import dataclass
from typing import Any

from dba_cli.records import PaperFigures


@dataclass(frozen=True)
class Draw:
    """So many labelled images: as ``data.draw`` says it, and two names."""

    config: dict[str, float]
    images: int
    short: str
    _long: str

    def long(self, dataset: str) -> str:
        """Return the longer words; ``dataset`` is its title."""
        return self._long.format(dataset=dataset)

    @property
    def budget(self) -> str:
        """Return the same number as a limit of each step."""
        return f"at most {self.images} images a step"


SMALL = {
    "1pct": Draw({"fraction": 0.01}, 600, "1 %", "1 % of {dataset}"),
    "10_per_class": Draw({"per_class": 10}, 100, "10 per class", "10 images per class"),
}
DRAWS = {**SMALL, "full": Draw({"fraction": 1.0}, 60_000, "full training set", "all of {dataset}")}
# The claims of arXiv 2208.00815.
PAPER = {
    "mnist": {
        "1pct": PaperFigures(test_accuracy=97.79, error_reduction=81.78),
        "10_per_class": PaperFigures(test_accuracy=97.44, error_reduction=88.07),
    }
}


def draw_name(config: Any) -> str | None:
    """Return which of DRAWS a value of ``data.draw`` is."""
    return next((name for name, draw in DRAWS.items() if draw.config == config), None)
