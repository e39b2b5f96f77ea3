"""What was selected in each step of a training."""

import numpy as np
import torch
from torch import Tensor

from dba_cli.method import Selection
from dba_cli.records import RunFolder, TraceWriter, write_predictions
from dba_cli.training._state import State


class SelectionRecorder:
    """Notes what is selected in every step; part of the state, and in the end a trace on disk."""

    def __init__(self) -> None:
        self._writer = TraceWriter()

    def add(self, batch: Tensor, selection: Selection | None) -> None:
        """Note the candidates' indices (n,) and each layer's choice, None if all were used."""
        weights = {} if selection is None else selection.weights
        chosen = {layer: (weight > 0).cpu().numpy() for layer, weight in weights.items()}
        self._writer.add(batch.cpu().numpy(), chosen)

    def state_dict(self) -> State:
        """Return everything noted so far."""
        arrays = self._writer.arrays()
        layers = [str(layer) for layer in arrays.pop("layers")]
        return {"layers": layers, "arrays": {k: torch.from_numpy(v) for k, v in arrays.items()}}

    def load_state_dict(self, state: State) -> None:
        """Take over what another recorder noted."""
        arrays = {name: tensor.numpy() for name, tensor in state["arrays"].items()}
        self._writer.load(arrays | {"layers": np.array(state["layers"])})

    def write(self, folder: RunFolder, logits: Tensor) -> None:
        """Write the trace, and the classes that ``logits`` (n, classes) predict."""
        self._writer.write(folder.trace_file)
        smallest = np.min_scalar_type(logits.shape[1] - 1)  # uint8 for up to 256 classes
        write_predictions(folder.predictions_file, logits.argmax(1).cpu().numpy().astype(smallest))
