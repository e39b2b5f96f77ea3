"""The images that training and evaluation read."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class TensorData:
    """Images (n, channels, height, width) and labels (n,), whole, on the device that trains."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def images_at(self, indices: Tensor) -> Tensor:
        """Return the images at ``indices`` (m,), shape (m, channels, height, width)."""
        return self.images.index_select(0, indices)  # the same as indexing, in a third of the time
