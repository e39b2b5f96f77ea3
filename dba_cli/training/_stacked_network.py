"""Several fully connected networks of one shape as one computation."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli.method import stacked_products
from dba_cli.training._models import Standardize

_BEFORE = (nn.Flatten, Standardize)
_ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU)

Layer = tuple[str, nn.Linear, nn.Sequential]
"""Name and module of a linear layer, and the activations behind it."""


def layers_of(model: nn.Module) -> list[Layer] | None:
    """Return the layers of a network that can be stacked, None if this is not one.

    That is: a flattening, perhaps standardized, then linear layers with bias, all trainable, with elementwise
    activations between them.
    """
    if type(model) is not nn.Sequential or not any(type(module) is nn.Flatten for module in model):
        return None
    layers: list[Layer] = []
    for name, module in model.named_children():
        if type(module) in _BEFORE and not layers:
            continue
        if type(module) is nn.Linear:
            if any(p is None or not p.requires_grad for p in (module.weight, module.bias)):
                return None
            layers.append((name, module, nn.Sequential()))
        elif type(module) in _ELEMENTWISE and layers:
            layers[-1][2].append(module)
        else:
            return None
    return layers if layers and not len(layers[-1][2]) else None


@torch.no_grad()
def prepared(model: nn.Module, images: Tensor) -> Tensor:
    """Return what the first layer of a network is given for ``images``, (n, pixels)."""
    for module in model.children():
        if type(module) in _BEFORE:
            images = module(images)
    return images


class StackedNetwork:
    """Networks of one shape, for which `layers_of` finds layers; their parameters stay their own."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        found = [cast(list[Layer], layers_of(model)) for model in models]
        self.names = [name for name, _, _ in found[0]]
        self._activations = [activations for _, _, activations in found[0]]
        self._linears = [[own[layer][1] for own in found] for layer in range(len(self.names))]

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield every network's parameters."""
        for linear in chain.from_iterable(self._linears):
            yield from linear.parameters()

    @torch.no_grad()
    def forward(self, images: Tensor, labels: Tensor, label_smoothing: float) -> "ForwardPass":
        """Compute the losses of ``images`` (S, n, pixels) with ``labels`` (S, n), each of its own sample."""
        made = ForwardPass(self._linears)
        x = images
        for linears, activations in zip(self._linears, self._activations, strict=True):
            made.inputs.append(x)
            before = stacked_products(x, [linear.weight for linear in linears])
            before += torch.stack([linear.bias for linear in linears]).unsqueeze(1)
            before.requires_grad_()
            # Only what lies between two products has a graph; the products go back by hand.
            with torch.enable_grad():
                after = activations(before)
            made.before.append(before)
            made.after.append(after)
            x = after.detach()
        with torch.enable_grad():
            logits = made.after[-1].flatten(0, 1)
            losses = F.cross_entropy(
                logits, labels.flatten(), reduction="none", label_smoothing=label_smoothing
            )
            made.losses = losses.view_as(labels)
        return made

    def set_gradients(self, layer: int, weights: Sequence[Tensor] | Tensor, biases: Tensor) -> None:
        """Give the networks their gradients of one layer, (p, q) and (p,) each."""
        for linear, weight, bias in zip(self._linears[layer], weights, biases, strict=True):
            linear.weight.grad, linear.bias.grad = weight, bias


class ForwardPass:
    """What going back needs: each layer's inputs, and its outputs before and behind the activations."""

    losses: Tensor

    def __init__(self, linears: Sequence[Sequence[nn.Linear]]) -> None:
        self._linears = linears
        self.inputs: list[Tensor] = []
        self.before: list[Tensor] = []
        self.after: list[Tensor] = []

    @torch.no_grad()
    def output_gradients(self, scale: float) -> list[Tensor]:
        """Return ``scale`` times the gradients of each sample's loss by each layer's outputs, (S, n, p)."""
        start = torch.full_like(self.losses, scale)
        (gradient,) = torch.autograd.grad(self.losses, self.before[-1], start)
        found = [gradient]
        for layer in range(len(self.before) - 1, 0, -1):
            weights = [linear.weight.t() for linear in self._linears[layer]]
            behind = stacked_products(found[0], weights)
            # Without activations, before and after are one tensor, which autograd takes as well.
            (gradient,) = torch.autograd.grad(self.after[layer - 1], self.before[layer - 1], behind)
            found.insert(0, gradient)
        return found
