"""From one config and what its keys may be to the configs of a sweep's points."""

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dba_cli.config._load import assign, read, validated
from dba_cli.config._schema import MAX_SEED, Config, SweepConfig
from dba_cli.config._space import MAX_POINTS, Point, Range, combinations, drawn, possible_values
from dba_cli.config._yaml import Document, read_text
from dba_cli.errors import UserError


@dataclass(frozen=True)
class SweepPoint:
    """One point: what it sets, and its config, an experiment of its own."""

    name: str
    values: Point
    config: Config


@dataclass(frozen=True)
class Sweep:
    """The points of a sweep in the order of its grid, or in that of drawing."""

    experiment: str
    points: list[SweepPoint]


def load_sweep(
    path: Path,
    overrides: Sequence[str] = (),
    grid: Sequence[str] = (),
    random: int | None = None,
    seed: int | None = None,
) -> Sweep:
    """Read the config ``path`` and its ``sweep:`` section; ``grid`` holds further ``KEY=V1,V2,...``.

    Raises:
        UserError: With the place of the first fault, in the config, an option or a point.
    """
    document = read(path, overrides)
    base = validated(document, str(path))
    section = base.sweep or SweepConfig()
    space: dict[str, Any] = dict(section.grid)
    places = {key: document.place(("sweep", "grid", key)) for key in space}
    for text in grid:
        key, choices = choices_of(text)
        space[key], places[key] = choices, f"--grid {text}"
    groups = [group for group in section.points if group]
    if not space and not groups:
        raise UserError(
            f"{path}: nothing to sweep; give --grid KEY=V1,V2 or a section 'sweep:' with 'grid:' or 'points:'"
        )
    _check_keys(places)
    random = section.random if random is None else random
    seed = section.seed if seed is None else seed
    for option, number, low, high in (("random", random, 1, MAX_POINTS), ("sweep-seed", seed, 0, MAX_SEED)):
        if number is not None and not low <= number <= high:
            raise UserError(f"--{option} {number}: out of range ({low} to {high})")
    try:
        combined = combinations(space) if random is None or not space else drawn(space, random, seed)
    except ValueError as error:
        raise UserError(f"{path}: sweep: {error}") from None
    swept = document.data.pop("sweep", None) or {}
    grouped = isinstance(swept.get("points"), list)
    points = []
    for chosen in itertools.product(*(group.items() for group in groups)):
        values: Point = {}
        within: dict[str, str] = {}
        for i, (name, some) in enumerate(chosen):
            for key in some:
                within[key] = document.place(("sweep", "points", *[i] * grouped, name, key))
                if key in values:
                    raise UserError(f"{within[key]}: {key} is set by a point of another group too; keep one")
            values |= some
        _check_keys(places | within)
        for more in combined:
            name = "_".join([name for name, _ in chosen] + ([point_name(more)] if more else []))
            points.append(_point(document, base, name, values | more, within | places, str(path)))
    if len({point.name.lower() for point in points}) < len(points):
        raise UserError(f"{path}: sweep.points: two points would have the same name; rename one")
    return Sweep(base.experiment.name, points)


def choices_of(text: str, option: str = "--grid") -> tuple[str, list[Any] | Range]:
    """Return the key and what it may be, of ``KEY=V1,V2,...`` or ``KEY={low: ...}``."""
    place = f"{option} {text}"
    key, equals, values_text = text.partition("=")
    if not equals or not key.strip():
        raise UserError(
            f"{place}: give KEY=V1,V2,... with a dotted key, such as optimizers.dba.metric=snr,norm"
        )
    values = read_text(f"[{values_text}]", place).data
    # One mapping of a range's keys is a range; every other mapping is a choice, such as a model.
    alone = values[0] if len(values) == 1 else None
    ranged = isinstance(alone, dict) and "low" in alone
    try:
        return key.strip(), possible_values(alone if ranged else values)
    except ValueError as error:
        raise UserError(f"{place}: {error}") from None


def _check_keys(places: dict[str, str]) -> None:
    reasons = {
        "experiment": "the points get names of their own; --name names the sweep",
        "seeds": "every point does all seeds of the config; --set seeds=0-9 changes them",
        "sweep": "a sweep cannot sweep itself",
        "extends": "a point cannot change what the config extends",
    }
    for key, place in places.items():
        section = key.partition(".")[0]
        if section in reasons:
            raise UserError(f"{place}: {key} cannot be swept: {reasons[section]}")
        inner = [other for other in places if other.startswith(key + ".")]
        if inner:
            raise UserError(f"{place}: {key} holds {inner[0]}, which is swept too; sweep one of them")


def _point(
    document: Document, base: Config, name: str, values: Point, places: dict[str, str], path: str
) -> SweepPoint:
    said = {key: f"{key}={shown(value)}" for key, value in values.items()}
    for key, value in values.items():
        document = assign(document, key, value, f"{places[key]} ({said[key]})")
    text = ", ".join(said.values())
    description = f"{base.experiment.description} [{text or name}]".strip()[:2000]
    config = validated(document, path)
    experiment = config.experiment.model_copy(update={"name": name, "description": description})
    return SweepPoint(name, values, config.model_copy(update={"experiment": experiment}))


def point_name(values: Point) -> str:
    """Return the point's folder: its values to read, and a hash of its keys and values to be unique.

    It depends on nothing but the point: in a larger grid, or with the keys in another order, the same
    point has the same name, and its finished runs are found.
    """
    last = {key: key.rpartition(".")[2] for key in values}
    times = Counter(last.values())
    words = []
    for key, value in sorted(values.items()):
        label = last[key] if times[last[key]] == 1 else ".".join(key.split(".")[-2:])
        words.append(f"{_plain(label)}-{_plain(shown(value))}")
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:6]
    slug = "_".join(words)[:60].strip("-_.")
    return f"{slug}-{digest}" if slug else digest


def shown(value: object) -> str:
    """Return a value as a person would type it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    # ASCII alone, and no leading sign: the name is a folder on every system.
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "x"
