"""The table of networks, the package's own, and how a user's module adds to it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from dba_cli.data import import_torchvision
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
        Field(min_length=1, max_length=8, description="Of each convolution."),
    ] = (16, 32),
    activation: Activation = "relu",
    groups: Annotated[
        int | None, Field(ge=1, description="Of a GroupNorm after each convolution; none: no normalisation.")
    ] = None,
    hidden: Annotated[
        Sequence[Annotated[int, Field(ge=1, le=100_000)]],
        Field(max_length=20, description="Units of each fully connected layer before the output."),
    ] = (),
    dropout: Annotated[float, Field(ge=0, lt=1, description="Before each fully connected layer.")] = 0.0,
    kernel: Annotated[int, Field(ge=1, le=31, description="Side of each convolution's square.")] = 3,
    padding: Annotated[
        Literal["same", "valid"],
        Field(description="same: a map keeps its size; valid: it loses what a kernel does not fit on."),
    ] = "same",
) -> nn.Sequential:
    """Small convolutional network: a convolution, activation and 2 x 2 max-pooling per entry.

    A map of one pixel's height or width is not pooled.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before, height, width = image_shape
    for i, out in enumerate(channels, start=1):
        layers[f"conv{i}"] = nn.Conv2d(before, out, kernel, padding=padding)
        if padding == "valid":
            height, width = height - kernel + 1, width - kernel + 1
        if groups is not None:
            layers[f"norm{i}"] = nn.GroupNorm(groups, out)
        layers[f"activation{i}"] = ACTIVATIONS[activation]()
        if min(height, width) > 1:
            layers[f"pool{i}"] = nn.MaxPool2d(2)
            height, width = height // 2, width // 2
        before = out
    layers["flatten"] = nn.Flatten()
    units = before * height * width
    for i, out in enumerate(hidden, start=1):
        if dropout:
            layers[f"dropout{i}"] = nn.Dropout(dropout)
        layers[f"hidden{i}"] = nn.Linear(units, out)
        layers[f"hidden_activation{i}"] = ACTIVATIONS[activation]()
        units = out
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    layers["output"] = nn.Linear(units, classes)
    return nn.Sequential(layers)


@register_model("resnet")
def resnet(
    image_shape: tuple[int, int, int],
    classes: int,
    channels: Annotated[
        Sequence[Annotated[int, Field(ge=1, le=1024)]],
        Field(min_length=1, max_length=8, description="Of each stage; the second and later halve the image."),
    ] = (16, 32, 64),
    blocks: Annotated[int, Field(ge=1, le=100, description="Of each stage, two convolutions each.")] = 1,
    groups: Annotated[int, Field(ge=1, description="Of every GroupNorm.")] = 8,
) -> nn.Sequential:
    """Small residual network for small images (He et al. 2016, section 4.2), with GroupNorm.

    A 3 x 3 convolution, the stages, the mean over the image, one output per class. The blocks are
    torchvision's basic ones.
    """
    block = import_torchvision().models.resnet.BasicBlock
    norm = partial(nn.GroupNorm, groups)
    before = channels[0]
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(image_shape[0], before, kernel_size=3, padding=1, bias=False),
        norm=norm(before),
        activation=nn.ReLU(),
    )
    for i, out in enumerate(channels, start=1):
        for j in range(1, blocks + 1):
            stride, around = (2 if i > 1 and j == 1 else 1), None
            if stride != 1 or before != out:
                around = nn.Sequential(nn.Conv2d(before, out, 1, stride, bias=False), norm(out))
            layers[f"stage{i}_block{j}"] = block(before, out, stride, around, norm_layer=norm)
            before = out
    layers["mean"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(before, classes)
    return nn.Sequential(layers)


class Pair(nn.Module):
    """Two networks of one kind with weights of their own; for co-teaching, the loss ``small_loss``.

    In training it returns the logits of both, (n, 2, classes), in evaluation their mean.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, 2, classes); their mean (n, classes) in evaluation."""
        logits = torch.stack([network(images) for network in self.networks], 1)
        return logits if self.training else logits.mean(1)


@register_model("pair")
def pair(
    image_shape: tuple[int, ...],
    classes: int,
    network: Annotated[str, Field(description="Kind of both; its keys are the others.")] = "mlp",
    **arguments: Any,
) -> Pair:
    """Two networks of one kind, for co-teaching: the loss ``small_loss``."""
    return Pair([MODELS[network](image_shape=image_shape, classes=classes, **arguments) for _ in range(2)])
