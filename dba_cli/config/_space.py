"""What the keys of a sweep may be: lists of choices and ranges, and the combinations of them."""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_POINTS = 10_000
_DIGITS = 4  # a drawn 0.01234 is as good as a drawn 0.012344651, and can be read and typed again
_EXAMPLE = "{low: 0.001, high: 1, log: true}"

Point = dict[str, Any]  # dotted key to value


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included: whole ones where both ends are whole."""

    low: float = math.nan
    high: float = math.nan
    log: bool = False

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
                raise ValueError(f"a range needs the numbers low and high, such as {_EXAMPLE}")
        if not isinstance(self.log, bool):
            raise ValueError(f"log is true or false, got {self.log!r:.60}")
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if max(abs(self.low), abs(self.high)) > 1e15:
            raise ValueError("the ends of a range are at most 1e15")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, got {self.low}")

    def draw(self, random: np.random.Generator) -> float | int:
        """Return a uniform number, or one whose logarithm is uniform."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        if whole and not self.log:
            return int(random.integers(int(self.low), int(self.high), endpoint=True))
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = low + float(random.random()) * (high - low)
        value = math.exp(value) if self.log else value
        value = round(value) if whole else float(f"{value:.{_DIGITS}g}")
        return min(max(value, self.low), self.high)


Space = Mapping[str, list[Any] | Range]


def possible_values(value: object) -> list[Any] | Range:
    """Return what a key of ``sweep.grid`` may be; ValueError for neither different choices nor a range."""
    if isinstance(value, dict) and value.keys() <= {"low", "high", "log"}:
        return Range(**value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"give a list of choices, or a range such as {_EXAMPLE}, got {value!r:.60}")
    seen = set()
    for choice in value:
        text = _canonical(choice)
        if text in seen:
            raise ValueError(f"the choice {choice!r:.60} stands twice; keep one")
        seen.add(text)
    return value


def combinations(space: Space) -> list[Point]:
    """Return every combination of the choices, the last key varying fastest; ValueError for too many."""
    lists: list[list[Any]] = []
    for key, values in space.items():
        if isinstance(values, Range):
            raise ValueError(
                f"{key} is a range, of which there is no grid; draw points from it with "
                "--random N (sweep.random: N), or list its choices"
            )
        lists.append(values)
    number = math.prod(map(len, lists))
    if number > MAX_POINTS:
        raise ValueError(
            f"a grid of {number} points is too large (at most {MAX_POINTS}); --random N draws some"
        )
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*lists)]


def drawn(space: Space, number: int, seed: int) -> list[Point]:
    """Return ``number`` different points at random; the first of them stay the same when it grows.

    ValueError where there are not so many.
    """
    available = math.prod(math.inf if isinstance(values, Range) else len(values) for values in space.values())
    if number > available:
        raise ValueError(
            f"{number} points of {available:.0f} cannot be drawn; "
            "leave out --random (sweep.random) to do them all"
        )
    found: dict[str, Point] = {}
    for i in range(1000 * number):
        point: Point = {}
        for key, values in space.items():
            # A stream per point and one per key: a key more shifts no other key's numbers.
            random = np.random.default_rng([seed, i, *key.encode()])
            if isinstance(values, Range):
                point[key] = values.draw(random)
            else:
                point[key] = values[int(random.integers(len(values)))]
        found.setdefault(_canonical(point), point)
        if len(found) == number:
            return list(found.values())
    raise ValueError(f"{number} different points cannot be drawn from so narrow ranges; lower --random")


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)
