"""The networks that a config can name."""

from collections import OrderedDict
from collections.abc import Callable
from typing import assert_never

import torch
from torch import Tensor, nn

from dba_cli.config import CNNConfig, MLPConfig, ModelConfig

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


class Standardize(nn.Module):
    """``(images - mean) / std``, fixed."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        """Return the images, of any shape, on their new scale."""
        return (images - self.mean) / self.std

    def extra_repr(self) -> str:
        """Return what stands between the brackets when the module is printed."""
        return f"mean={self.mean:.4g}, std={self.std:.4g}"


def build_model(
    config: ModelConfig,
    image_shape: tuple[int, int],
    num_classes: int,
    generator: torch.Generator,
    standardize: Standardize | None = None,
) -> nn.Sequential:
    """Build the network on the CPU with PyTorch's default initialisation, drawn from ``generator``.

    The model maps images (n, 1, height, width) to logits (n, num_classes); ``standardize`` comes first.
    """
    # PyTorch's initialisers draw from the CPU's global state: seed it from the stream, then put it back.
    # (torch.manual_seed would seed every GPU as well, which fork_rng would not undo.)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        match config.kind:
            case "mlp":
                layers = _mlp(config, image_shape, num_classes)
            case "cnn":
                layers = _cnn(config, image_shape, num_classes)
            case _:
                assert_never(config.kind)
        if standardize is not None:
            layers["standardize"] = standardize
            layers.move_to_end("standardize", last=False)
        return nn.Sequential(layers)


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable numbers in ``model``."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _mlp(config: MLPConfig, image_shape: tuple[int, int], num_classes: int) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    width = image_shape[0] * image_shape[1]
    for i, hidden in enumerate(config.hidden, start=1):
        layers[f"hidden{i}"] = nn.Linear(width, hidden)
        layers[f"activation{i}"] = _ACTIVATIONS[config.activation]()
        width = hidden
    layers["output"] = nn.Linear(width, num_classes)
    return layers


def _cnn(config: CNNConfig, image_shape: tuple[int, int], num_classes: int) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, (height, width) = 1, image_shape
    for i, out in enumerate(config.channels, start=1):
        layers[f"conv{i}"] = nn.Conv2d(channels, out, kernel_size=3, padding=1)
        layers[f"activation{i}"] = _ACTIVATIONS[config.activation]()
        layers[f"pool{i}"] = nn.MaxPool2d(2)
        channels, height, width = out, height // 2, width // 2
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(channels * height * width, num_classes)
    return layers
