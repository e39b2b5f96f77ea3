"""Where a training is: what an interrupted one needs to go on as if nothing had happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter
from torch import Tensor

from dba_cli.method import Selection
from dba_cli.records import Evaluation, RunFolder, trace_arrays, trace_steps, write_arrays

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
    left_out: dict[str, int] = field(default_factory=dict)
    wrong_left_out: dict[str, int] = field(default_factory=dict)
    wrong: int = 0

    def count(self, weights: Mapping[str, Tensor], wrong: Tensor) -> None:
        """Add what each layer left out of a batch by its weights (n,); ``wrong`` (n,): whose labels are."""
        self.wrong += int(wrong.sum())
        for name, weight in weights.items():
            left_out = weight == 0
            self.left_out[name] = self.left_out.get(name, 0) + int(left_out.sum())
            self.wrong_left_out[name] = self.wrong_left_out.get(name, 0) + int((left_out & wrong).sum())


@dataclass
class Position:
    """How far a training is, and what it has found on the way."""

    step: int
    processed: int
    since: Since
    history: list[Evaluation]


POSITION: TypeAdapter[Position] = TypeAdapter(Position)
"""From and to what can be written."""


class SelectionRecorder:
    """Notes what is selected in every step; part of the state, and in the end a trace on disk."""

    def __init__(self) -> None:
        self._images: list[npt.NDArray[np.int64]] = []
        self._chosen: dict[str, list[npt.NDArray[np.uint8]]] = {}

    def add(self, batch: Tensor, selection: Selection | None) -> None:
        """Note the candidates' indices (n,) and each layer's choice, None if all were used."""
        images = batch.cpu().numpy()
        order = np.argsort(images, kind="stable")
        self._images.append(images[order])
        for layer, weight in ({} if selection is None else selection.weights).items():
            bits = (weight > 0).cpu().numpy()
            self._chosen.setdefault(layer, []).append(np.packbits(bits[order]))

    def state_dict(self) -> State:
        """Return everything noted so far."""
        arrays = trace_arrays(self._images, self._chosen)
        layers = [str(layer) for layer in arrays.pop("layers")]
        return {"layers": layers, "arrays": {k: torch.from_numpy(v) for k, v in arrays.items()}}

    def load_state_dict(self, state: State) -> None:
        """Take over what another recorder noted."""
        arrays = {name: tensor.numpy() for name, tensor in state["arrays"].items()}
        self._images, self._chosen = trace_steps(arrays | {"layers": np.array(state["layers"])})

    def write(self, folder: RunFolder, logits: Tensor) -> None:
        """Write the trace, and the classes that ``logits`` (n, classes) predict."""
        write_arrays(folder.trace_file, trace_arrays(self._images, self._chosen))
        smallest = np.min_scalar_type(logits.shape[1] - 1)  # uint8 for up to 256 classes
        predicted = logits.argmax(1).cpu().numpy().astype(smallest)
        write_arrays(folder.predictions_file, {"predicted": predicted})
