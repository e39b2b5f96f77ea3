"""Where a training is: what an interrupted one needs to go on as if nothing had happened."""

from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from dba_cli.records import Evaluation

State = dict[str, Any]
"""Tensors, numbers, texts, None, and lists and dicts of these: what can be written without any code."""


class Keeper(Protocol):
    """Keeps the state of a training under way."""

    def due(self, step: int) -> bool:
        """Whether the state after ``step`` updates is to be saved."""

    def save(self, state: State) -> None:
        """Save the state; what it refers to changes with the next update."""


@dataclass
class Since:
    """Running sums since the last evaluation."""

    loss: float
    samples: int
    chosen: dict[str, int]


@dataclass
class Position:
    """How far a training is, and what it has found on the way."""

    step: int
    processed: int
    since: Since
    history: list[Evaluation]


POSITION: TypeAdapter[Position] = TypeAdapter(Position)
"""From and to what can be written."""
