"""Where a training is: what an interrupted one needs to go on as if nothing had happened."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

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

    loss: float = 0.0
    samples: int = 0
    chosen: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Position:
    """How far a training is, and what it has found on the way."""

    step: int = 0
    processed: int = 0
    since: Since = field(default_factory=Since)
    history: list[Evaluation] = field(default_factory=list)

    def state_dict(self) -> State:
        """Return the position."""
        since = self.since
        return {
            "step": self.step,
            "processed": self.processed,
            "since": {"loss": since.loss, "samples": since.samples, "chosen": dict(since.chosen)},
            "history": [evaluation.model_dump() for evaluation in self.history],
        }

    def load_state_dict(self, state: State) -> None:
        """Go to the position of another training."""
        since = Since(state["since"]["loss"], state["since"]["samples"])
        since.chosen.update(state["since"]["chosen"])
        self.history = [Evaluation(**figures) for figures in state["history"]]
        self.step, self.processed, self.since = state["step"], state["processed"], since


def generator_states(generators: Mapping[str, torch.Generator]) -> dict[str, Tensor]:
    """Return the states of random streams."""
    return {name: generator.get_state() for name, generator in generators.items()}


def set_generator_states(generators: Mapping[str, torch.Generator], states: Mapping[str, Tensor]) -> None:
    """Put random streams where others were; both must have the same names."""
    if generators.keys() != states.keys():
        raise ValueError(f"random streams {sorted(states)} instead of {sorted(generators)}")
    for name, generator in generators.items():
        generator.set_state(states[name])
