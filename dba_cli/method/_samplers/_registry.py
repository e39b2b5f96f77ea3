"""Which sampler serves which type of node in the autograd graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .._layer_gradients import LayerGradients
from .._rows import Rows


class NotServed(Exception):  # noqa: N818
    """A sampler's answer where it does not know this use: the site then gets the general treatment."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a node takes that samples share.

    Attributes:
        tensor: the parameter, or a stand-in of the operand's shape where it is computed from parameters.
        shape: the operand's own shape: that of the parameter but for views and transposition.
        flipped: whether the operand is the parameter transposed.
    """

    tensor: nn.Parameter
    shape: tuple[int, ...]
    flipped: bool = False


@dataclass(slots=True)
class Use:
    """A node that uses parameters, and what is known there.

    Attributes:
        saved: what the node kept for its backward pass, by the names that the sampler was registered with.
        gradients: gradient of the losses' sum with respect to each of the node's outputs that is used.
        parameters: by the operand's number, those that get a gradient.
        outputs: where the samples lie in each output.
        samples: number n of samples.
    """

    saved: Mapping[str, Any]
    gradients: Mapping[int, Tensor]
    parameters: Mapping[int, Parameter]
    outputs: Mapping[int, Rows]
    samples: int

    @property
    def gradient(self) -> Tensor:
        """Gradient of the losses' sum with respect to the only output."""
        if self.gradients.keys() != {0}:
            raise NotServed
        return self.gradients[0]

    @property
    def rows(self) -> Rows:
        """Where the samples lie in the only output."""
        return self.outputs[0]

    def split(self, tensor: Tensor) -> Tensor:
        """A tensor that has the output's samples along the same axis, samples first: (n, ...).

        The axis stays where it was, behind them, with the places of one sample.
        """
        return self.rows.split(tensor.to(self.gradient.dtype), self.samples)

    def summed(self, values: Tensor, number: int, shape: tuple[int, ...] | None = None) -> Tensor:
        """For each sample, the sum of values of the output's shape over what an operand is broadcast along.

        Args:
            values: of the output's shape.
            number: number of the operand.
            shape: shape of the operand as it is broadcast, if it is not its own.

        Returns:
            Gradients of the operand, (n, *shape of the parameter).
        """
        parameter = self.parameters[number]
        shape = parameter.shape if shape is None else shape
        missing = values.ndim - len(shape)
        if self.rows.axis >= missing and shape[self.rows.axis - missing] != 1:
            raise NotServed  # it differs from sample to sample
        axes = [a + 1 for a in range(values.ndim) if a < missing or shape[a - missing] == 1]
        split = self.split(values)
        gradients = (split.sum(axes) if axes else split).reshape(self.samples, *parameter.shape)
        gradients = gradients.mT if parameter.flipped else gradients
        return gradients.reshape(self.samples, *parameter.tensor.shape)


Sampler = Callable[[Use], list[LayerGradients]]
SAMPLERS: dict[str, tuple[Sampler, tuple[str, ...]]] = {}


def register_sampler(*names: str, saved: tuple[str, ...] = ()) -> Callable[[Sampler], Sampler]:
    """Register how to get the per-sample gradients of parameters where nodes of these types use them.

    Names are those of autograd's nodes, ``AddmmBackward0``, or of an own `torch.autograd.Function` with
    ``Backward`` behind. What has no sampler is exact too, but slower: the node is differentiated for every
    sample. A model's modules, whatever they are made of, need none.

    The decorated function is given a `Use` and returns a list of `LayerGradients` that hold each of
    ``use.parameters`` once: `OuterProducts` for a matrix that multiplies rows, `Explicit` for gradients small
    enough to be stored, or a subclass of your own. It may raise `NotServed`.

    Args:
        names: types of nodes.
        saved: what the sampler reads of the node, without ``_saved_``; ``saved_tensors`` of an own function.

    Raises:
        ValueError: a type has a sampler already.
    """

    def register(sampler: Sampler) -> Sampler:
        for name in names:
            if name in SAMPLERS:
                raise ValueError(f"{name} has a sampler already")
            SAMPLERS[name] = sampler, saved
        return sampler

    return register


def read_saved(name: str, node: Any) -> dict[str, Any]:
    """What the sampler of a node's type wants of it; nothing without a sampler."""
    _, saved = SAMPLERS.get(name, (None, ()))
    return {key: getattr(node, key if key == "saved_tensors" else f"_saved_{key}") for key in saved}
