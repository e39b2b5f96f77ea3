"""Several fully connected networks of one shape as one computation."""

from collections.abc import Iterator, Sequence
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
    """The networks' parameters, stacked; each network stays whole and sees every update of its own.

    Args:
        models: networks of one shape, for which `layers_of` finds layers.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        found = [cast(list[Layer], layers_of(model)) for model in models]
        self.names = [name for name, _, _ in found[0]]
        self._activations = [activations for _, _, activations in found[0]]
        self._linears = [[linear for _, linear, _ in layers] for layers in found]
        self.weights: list[nn.Parameter] = []
        self.biases: list[nn.Parameter] = []
        for layer in range(len(self.names)):
            linears = [own[layer] for own in self._linears]
            self.weights.append(_stacked([linear.weight for linear in linears]))
            self.biases.append(_stacked([linear.bias for linear in linears]))

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the stacked parameters in the order of the networks' own."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            yield weight
            yield bias

    def release(self, place: int) -> None:
        """Leave the network at ``place`` as it is now, whatever happens to the stack."""
        for linear in self._linears[place]:
            linear.weight.data = linear.weight.data.clone()
            linear.bias.data = linear.bias.data.clone()

    @torch.no_grad()
    def forward(self, images: Tensor, labels: Tensor, label_smoothing: float) -> "ForwardPass":
        """Compute the losses of ``images`` (S, n, pixels) with ``labels`` (S, n), each of its own sample."""
        made = ForwardPass(self.weights)
        x = images
        for weight, bias, activations in zip(self.weights, self.biases, self._activations, strict=True):
            made.inputs.append(x)
            before = stacked_products(x, weight).add_(bias.unsqueeze(1)).requires_grad_()
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


class ForwardPass:
    """What going back needs: each layer's inputs, and its outputs before and behind the activations."""

    losses: Tensor

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._weights = weights
        self.inputs: list[Tensor] = []
        self.before: list[Tensor] = []
        self.after: list[Tensor] = []

    @torch.no_grad()
    def output_gradients(self) -> list[Tensor]:
        """Return the gradients of each sample's own loss by each layer's outputs, (S, n, p)."""
        start = torch.ones_like(self.losses)
        (gradient,) = torch.autograd.grad(self.losses, self.before[-1], start)
        found = [gradient]
        for layer in range(len(self.before) - 1, 0, -1):
            behind = stacked_products(found[0], self._weights[layer].mT)
            # Without activations, before and after are one tensor, which autograd takes as well.
            (gradient,) = torch.autograd.grad(self.after[layer - 1], self.before[layer - 1], behind)
            found.insert(0, gradient)
        return found


def _stacked(parameters: Sequence[Tensor]) -> nn.Parameter:
    stack = nn.Parameter(torch.stack([parameter.detach() for parameter in parameters]))
    for parameter, own in zip(parameters, stack.detach(), strict=True):
        parameter.data = own
    return stack
