"""The network of a finished run in a file: its weights, and what is needed to build it again.

The file is of safetensors' format: tensors and text, and nothing that is ever run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from dba_cli.config import Config
from dba_cli.data import ImageData, as_floats, deskew
from dba_cli.errors import UserError
from dba_cli.records import read_bytes, write_atomically
from dba_cli.training import Standardize, build_model, predict

_FORMAT = "dba-network-1"


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network, on the CPU, and what it takes and gives."""

    model: nn.Module
    config: Config
    """Of its run."""
    shape: tuple[int, ...]
    """(channels, height, width) of an image, (features,) of a table's row."""
    classes: tuple[str, ...]

    def probabilities(self, samples: Tensor) -> Tensor:
        """Return those of the classes (n, classes), of samples as they were read, (n, *shape)."""
        values = as_floats(samples)
        if self.config.data.preprocessing == "deskew":
            values = deskew(values)
        with torch.no_grad():
            return predict(self.model, values).softmax(1)


def write_network(path: Path, model: nn.Module, config: Config, data: ImageData) -> None:
    """Write the network of a run on ``data``, atomically; UserError where that cannot be."""
    # Clones: safetensors refuses tensors that share memory, such as tied weights.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    said = {
        "format": _FORMAT,
        "config": config.model_dump_json(exclude={"sweep"}),
        "shape": list(data.image_shape),
        "classes": [data.name_of(label) for label in range(data.num_classes)],
        "standardize": _numbers(model),
    }
    # One text: safetensors writes several in another order each time, and a run's bits are to be the same.
    write_atomically(path, safetensors.torch.save(tensors, {"dba": json.dumps(said)}))


def read_network(path: Path) -> Network:
    """Return the network of a ``weights.safetensors``.

    Raises:
        UserError: It is missing or damaged, or needs a module that is not there.
    """
    content = read_bytes(path)
    if content is None:
        raise UserError(f"{path}: not there; runs with training.save_weights: true write it")
    try:
        tensors = safetensors.torch.load(content)
        said = _metadata(content)
        config = Config.model_validate_json(said["config"])
        shape, classes, numbers = tuple(said["shape"]), tuple(said["classes"]), said["standardize"]
        if said["format"] != _FORMAT:
            raise ValueError(f"of the format {said['format']!r:.30}")
        standardize = None if numbers is None else Standardize(*map(_value, numbers))
        model = build_model(config.model, shape, len(classes), torch.Generator(), standardize)
        model.load_state_dict(tensors)
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file makes the readers raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"{path}: no usable weights ({reason})") from None
    return Network(model.eval(), config, shape, classes)


def _metadata(content: bytes) -> dict[str, Any]:
    # safetensors gives it from files alone; the header's length is its first eight bytes, little-endian.
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    found: dict[str, Any] = json.loads(header["__metadata__"]["dba"])
    return found


def _numbers(model: nn.Module) -> list[Any] | None:
    """Return mean and standard deviation of what the network does first; None where it does nothing."""
    for module in model.modules():
        if isinstance(module, Standardize):
            both = (module.mean, module.std)
            return [each.tolist() if isinstance(each, Tensor) else each for each in both]
    return None


def _value(number: Any) -> Any:
    return torch.tensor(number) if isinstance(number, list) else number
