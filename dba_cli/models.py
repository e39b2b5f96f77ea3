"""The table of networks that a config can name: the package's own, and what a user's module registers."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from dba_cli.method import Registry

Builder = Callable[..., nn.Module]
MODELS: Registry[Builder] = Registry("model", attributes=True)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
Activation = Annotated[
    Literal["relu", "tanh", "sigmoid", "gelu", "silu"], Field(description="After each layer but the last.")
]


def register_model(name: str) -> Callable[[Builder], Builder]:
    """Register what builds a network, a class or a function, as ``kind: name`` of ``model`` in a config.

    Of ``image_shape`` (channels, height, width; features of a table), ``classes`` and ``generator`` (a
    torch.Generator of the run's weights) it is given those that its signature names. Every other parameter is
    a key of the section: its annotation is the key's type, its default the key's. The network maps images
    (n, channels, height, width), floats in [0, 1], or tables (n, features) to logits (n, classes).

    Raises:
        ValueError: The name is taken, or contains a colon.
    """
    return MODELS.register(name)


@register_model("mlp")
def mlp(
    image_shape: tuple[int, ...],
    classes: int,
    hidden: Annotated[
        Sequence[Annotated[int, Field(ge=1, le=100_000)]],
        Field(min_length=1, max_length=20, description="Units of each hidden layer."),
    ] = (100,),
    activation: Activation = "relu",
) -> nn.Sequential:
    """Fully connected network: the pixels or columns, the hidden layers, one output per class."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    units = prod(image_shape)
    for i, out in enumerate(hidden, start=1):
        layers[f"hidden{i}"] = nn.Linear(units, out)
        layers[f"activation{i}"] = ACTIVATIONS[activation]()
        units = out
    layers["output"] = nn.Linear(units, classes)
    return nn.Sequential(layers)


@register_model("cnn")
def cnn(
    image_shape: tuple[int, int, int],
    classes: int,
    channels: Annotated[
        Sequence[Annotated[int, Field(ge=1, le=1024)]],
        Field(min_length=1, max_length=4, description="Of each convolution."),
    ] = (16, 32),
    activation: Activation = "relu",
) -> nn.Sequential:
    """Small convolutional network: one 3 x 3 convolution, activation and 2 x 2 max-pooling per entry."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before, height, width = image_shape
    for i, out in enumerate(channels, start=1):
        layers[f"conv{i}"] = nn.Conv2d(before, out, kernel_size=3, padding=1)
        layers[f"activation{i}"] = ACTIVATIONS[activation]()
        layers[f"pool{i}"] = nn.MaxPool2d(2)
        before, height, width = out, height // 2, width // 2
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(before * height * width, classes)
    return nn.Sequential(layers)
