"""Linear layers and convolutions: outer products of output gradient and input, summed over positions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, prod

import torch
import torch.nn.functional as F
import torch.nn.grad
from torch import Tensor, nn

from .._gram import (
    BLOCK,
    COLUMNS,
    ELEMENT,
    PRODUCT,
    explicit_gram,
    outer_slabs,
    pair_cost,
    slab_cost,
    sum_of_squares,
)
from .._layer_gradients import (
    Costs,
    Explicit,
    Gradients,
    LayerGradients,
    OuterProducts,
    of_samples,
    shaped,
    weighted,
)
from ._registry import NotServed, Use, register_sampler


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a convolution does to space, and its kernel's shape (outputs, inputs of a group, *window)."""

    kernel: Sequence[int]
    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    groups: int


class ConvolutionGradients(LayerGradients):
    """Gradients of a convolution's kernel and bias.

    Args:
        geometry: the convolution's, in one, two or three dimensions.
        x: its input, (n, channels, *space).
        gradient: gradient of its output, (n, outputs, *positions).
        weight: the kernel, of the geometry's shape.
        bias: the bias, (outputs,); None if frozen or absent.
    """

    def __init__(
        self,
        geometry: Geometry,
        x: Tensor,
        gradient: Tensor,
        weight: nn.Parameter,
        bias: nn.Parameter | None,
    ) -> None:
        self._geometry = geometry
        self._x = x
        self._gradient = gradient
        self._positions = gradient[0, 0].numel()
        self._weight = weight
        self._bias = bias
        self.parameters = (weight,) if bias is None else (weight, bias)

    def costs(self, n: int) -> Costs:
        _, outputs, positions, features = self._sizes
        groups = self._geometry.groups
        patches = n * groups * features * positions * ELEMENT
        ways = [
            min(self._pairs(n, others), groups * slab_cost(n, others, positions, outputs // groups, features))
            for others in (n, 1)
        ]
        gram, norms = (way + patches for way in ways)
        return Costs(gram, norms, n * positions * outputs * (features + 1) * PRODUCT)

    @property
    def _sizes(self) -> tuple[int, int, int, int]:
        """Samples, outputs, positions, and the kernel's elements for one output."""
        return len(self._x), self._gradient.shape[1], self._positions, prod(self._geometry.kernel[1:])

    def _pairs(self, n: int, others: int) -> float:
        _, outputs, positions, features = self._sizes
        return pair_cost(n, others, positions, outputs, features) if self._geometry.groups == 1 else inf

    def _by_pairs(self, others: int) -> bool:
        n, outputs, positions, features = self._sizes
        return self._pairs(n, others) < slab_cost(n, others, positions, outputs, features)

    def _factors(self) -> OuterProducts:
        right = self._patches(self._padded, 0, self._x.shape[1]).mT.contiguous()
        return OuterProducts(self._gradient.flatten(2).mT.contiguous(), right, self._weight, self._bias)

    def write_gram(self, out: Tensor) -> None:
        if self._by_pairs(len(self._x)):
            self._factors().write_gram(out)
        else:
            explicit_gram(self._slabs(), out)

    def square_norms(self) -> Tensor:
        return (
            self._factors().square_norms()
            if self._by_pairs(1)
            else sum_of_squares(self._slabs(), len(self._x))
        )

    def products(self, gradients: Gradients) -> Tensor:
        # The inner product of a sample's output gradient with the layer's output for it under G.
        g = self._geometry
        layer = getattr(F, f"conv{len(g.kernel) - 2}d")
        kernel, bias = gradients[self._weight].view(*g.kernel), None
        if self._bias is not None:
            bias = gradients[self._bias]
        outputs = layer(self._x, kernel, bias, g.stride, g.padding, g.dilation, g.groups)
        products: Tensor = outputs.mul_(self._gradient).flatten(1).sum(1)
        return products

    def part(self, samples: Tensor | slice) -> "ConvolutionGradients":
        x, gradient = (of_samples(factor, samples) for factor in (self._x, self._gradient))
        return ConvolutionGradients(self._geometry, x, gradient, self._weight, self._bias)

    @property
    def _padded(self) -> Tensor:
        return F.pad(self._x, [amount for amount in reversed(self._geometry.padding) for _ in range(2)])

    def _slabs(self) -> Iterator[Tensor]:
        """Parts of the per-sample gradients, from a few input channels at a time, whose patches are small."""
        if self._bias is not None:
            yield self._gradient.flatten(2).sum(2)
        window = prod(self._geometry.kernel[2:])
        size = max(-(-COLUMNS // window), BLOCK // (len(self._x) * window * self._positions))
        for left, patches in self._chunks(size):
            yield from outer_slabs(left.mT, patches.mT)

    def _patches(self, padded: Tensor, first: int, last: int) -> Tensor:
        """Input patches of a range of channels, (n, channels in the range * kernel, positions)."""
        geometry, window = self._geometry, self._geometry.kernel[2:]
        patches = padded[:, first:last]
        for axis, (kernel, stride, dilation) in enumerate(
            zip(window, geometry.stride, geometry.dilation, strict=True), start=2
        ):
            # A new last axis of the window, of which every `dilation`-th element is used.
            patches = patches.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        space = len(window)
        # (n, channels, *positions, *kernel) to (n, channels, *kernel, *positions): positions last, so that
        # whole rows of the image are copied.
        axes = (0, 1, *range(2 + space, 2 + 2 * space), *range(2, 2 + space))
        patches = patches.permute(axes)
        return patches.reshape(len(patches), -1, self._positions)

    def _chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Output gradients of a group, and patches of at most `size` of its input channels."""
        channels, padded = self._geometry.kernel[1], self._padded
        for group, left in enumerate(self._gradient.flatten(2).chunk(self._geometry.groups, 1)):
            for first in range(group * channels, (group + 1) * channels, size):
                yield left, self._patches(padded, first, min(first + size, (group + 1) * channels))

    def weighted_sum(self, weights: Tensor) -> Gradients:
        return self._sum(*weighted(weights, self._gradient, self._x, self.costs(len(weights)).product))

    def total(self) -> Gradients:
        return self._sum(self._gradient, self._x)

    def _sum(self, gradient: Tensor, x: Tensor) -> Gradients:
        g = self._geometry
        kernel_gradient = getattr(torch.nn.grad, f"conv{len(g.kernel) - 2}d_weight")
        kernel = kernel_gradient(x, g.kernel, gradient, g.stride, g.padding, g.dilation, g.groups)
        gradients: Gradients = {self._weight: shaped(kernel, self._weight.shape)}
        if self._bias is not None:
            gradients[self._bias] = gradient.flatten(2).sum((0, 2))
        return gradients

    def explicit(self) -> Gradients:
        kernels = torch.cat([left @ patches.mT for left, patches in self._chunks(self._x.shape[1])], 1)
        gradients: Gradients = {self._weight: kernels.view(-1, *self._weight.shape)}
        if self._bias is not None:
            gradients[self._bias] = self._gradient.flatten(2).sum(2)
        return gradients


@register_sampler(
    "ConvolutionBackward0", saved=("input", "padding", "stride", "dilation", "groups", "transposed")
)
def convolution(use: Use) -> list[LayerGradients]:
    """Convolutions, transposed ones too, in one, two or three dimensions, of one image for each sample."""
    kernel, bias = use.parameters.get(1), use.parameters.get(2)
    if use.rows.axis or use.rows.count > 1 or 0 in use.parameters or (kernel and kernel.flipped):
        raise NotServed
    saved, shift = use.saved, bias.tensor if bias else None
    separate: list[LayerGradients] = []
    if shift is not None and (kernel is None or saved["transposed"]):
        separate, shift = [Explicit({shift: use.gradient.flatten(2).sum(2)})], None
    if kernel is None:
        return separate
    weight = kernel.tensor
    geometry = Geometry(kernel.shape, *(saved[key] for key in ("stride", "padding", "dilation", "groups")))
    x, gradient = saved["input"].to(use.gradient.dtype), use.gradient
    if saved["transposed"]:
        # The transposed convolution of x is the gradient of a convolution that maps outputs to inputs.
        return [ConvolutionGradients(geometry, gradient, x, weight, None), *separate]
    return [ConvolutionGradients(geometry, x, gradient, weight, shift), *separate]


@register_sampler("AddmmBackward0", saved=("mat1", "mat2", "alpha", "beta"))
def affine_map(use: Use) -> list[LayerGradients]:
    """A bias plus a product of matrices."""
    if use.saved["alpha"] != 1 or use.saved["beta"] != 1:
        raise NotServed
    return _products(use, use.saved["mat1"], use.saved["mat2"], 1, 0)


@register_sampler("MmBackward0", saved=("self", "mat2"))
def product(use: Use) -> list[LayerGradients]:
    """A product of matrices."""
    return _products(use, use.saved["self"], use.saved["mat2"], 0, None)


@register_sampler("_ProductBackward", saved=("saved_tensors",))
def fast_linear(use: Use) -> list[LayerGradients]:
    """``dba_cli.method.Linear``, whose second factor is the weight as it is."""
    x, weight = use.saved["saved_tensors"]
    return _products(use, x, weight.t(), 0, 2, as_it_is=True)


def _products(
    use: Use,
    first: Tensor | None,
    second: Tensor | None,
    number: int,
    bias: int | None,
    *,
    as_it_is: bool = False,
) -> list[LayerGradients]:
    """``A B``, plus a bias: samples lie along the rows of A where B is shared, along B's columns where A is.

    `number` is that of A among the operands; B's is one more, and `as_it_is` says that this operand is B'.
    """
    a, b = use.parameters.get(number), use.parameters.get(number + 1)
    shift = None if bias is None else use.parameters.get(bias)
    separate: list[LayerGradients] = []
    if shift is not None and (a or not b or b.flipped == as_it_is or shift.tensor.ndim != 1):
        separate, shift = [Explicit({shift.tensor: use.summed(use.gradient, bias or 0)})], None
    if (a and b) or use.rows.axis != (1 if a else 0):
        raise NotServed
    matrix, other = (a, second) if a else (b, first)
    if matrix is None or other is None:
        return separate
    left, right = _positions(use, use.gradient), _positions(use, other)
    if (matrix.flipped ^ as_it_is) == (matrix is a):
        left, right = right, left
    return [OuterProducts(left, right, matrix.tensor, shift.tensor if shift else None), *separate]


def _positions(use: Use, matrix: Tensor) -> Tensor:
    """Samples first, then their places, then features: (n, places, features)."""
    split = use.split(matrix)
    return (split.mT if use.rows.axis else split).contiguous()
