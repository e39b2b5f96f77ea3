"""Which samples each step sees."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dba_cli.config import TrustedUse
from dba_cli.training._state import State


@dataclass(frozen=True)
class TensorData:
    """Images (n, channels, height, width) and labels (n,), whole, on the device that trains."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: "TensorData") -> "TensorData":
        return TensorData(torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels]))

    def images_at(self, indices: Tensor) -> Tensor:
        """Return the images at ``indices`` (m,), shape (m, channels, height, width)."""
        return self.images.index_select(0, indices)  # the same as indexing, in a third of the time


@dataclass(frozen=True)
class HeldOut:
    """Samples of the draw that are not trained on: their places in it (m,), images and labels as given."""

    indices: Tensor
    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class TrustedSamples:
    """Samples behind those of the draw, whose labels are right: their places (m,), and what they are for."""

    indices: Tensor
    use: TrustedUse


class BatchOrder:
    """Endless batches of indices into ``n`` samples: every sample once, newly shuffled, then again.

    With ``whole`` every batch is full and runs on into the next shuffle, so that it may also be larger than
    ``n``; otherwise no batch crosses the end of an epoch, and an epoch's last batch may be short.
    """

    def __init__(self, n: int, batch_size: int, generator: torch.Generator, *, whole: bool = False) -> None:
        self._n, self._batch_size, self._generator, self._whole = n, batch_size, generator, whole
        self._left = torch.empty(0, dtype=torch.int64)

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        while len(self._left) < (self._batch_size if self._whole else 1):
            shuffled = torch.randperm(self._n, generator=self._generator)
            self._left = torch.cat([self._left, shuffled])
        batch, self._left = self._left[: self._batch_size], self._left[self._batch_size :]
        return batch

    def state_dict(self) -> State:
        """Return where the order is."""
        return {"generator": self._generator.get_state(), "left": self._left}

    def load_state_dict(self, state: State) -> None:
        """Go on from where another order was."""
        self._generator.set_state(state["generator"])
        self._left = state["left"]
