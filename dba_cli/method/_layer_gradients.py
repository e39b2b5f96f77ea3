"""Per-sample gradients of one layer, in forms that need no gradient per sample."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._gram import BLOCK, explicit_gram, outer_product_gram, pairs_are_cheaper, position_pair_gram
from ._products import row_products

Gradients = dict[nn.Parameter, Tensor]


class LayerGradients(ABC):
    """The per-sample gradients g_i, i < n, of the trainable parameters of one module call.

    Attributes:
        parameters: the parameters that g_i is made of, each once.
    """

    parameters: tuple[nn.Parameter, ...]

    @abstractmethod
    def write_gram(self, out: Tensor) -> None:
        """Write ``K_ij = <g_i, g_j>`` into `out`, (n, n)."""

    @abstractmethod
    def weighted_sum(self, weights: Tensor) -> Gradients:
        """``sum_i w_i g_i`` for each parameter; `weights` has shape (n,)."""

    @abstractmethod
    def explicit(self) -> Gradients:
        """The g_i themselves, (n, *shape) for each parameter: only for parameters that are shared."""

    def square_norms(self) -> Tensor | None:
        """``|g_i|^2``, (n,); None where nothing is cheaper than the Gram matrix."""
        return None

    def projections(self) -> Tensor | None:
        """``<g_i, mean>``, (n,); None where nothing is cheaper than the Gram matrix."""
        return None


def weighted(weights: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """``w_i left_i`` and ``right_i``, without samples of no weight where leaving them out saves something.

    Some samples without weight fill the number up to one of about sixteen, because matrix kernels are
    prepared for every new shape. On an accelerator, counting would wait for the device: all samples stay.
    """
    n = len(weights)
    if weights.device.type == "cpu":
        step = max(8, n // 16)
        size = -(-int(weights.count_nonzero()) // step) * step
        if 10 * size < 9 * n:
            chosen = weights.argsort(descending=True)[:size]
            left, right, weights = left[chosen], right[chosen], weights[chosen]
    return left * weights.view(-1, *(1,) * (left.ndim - 1)), right


class Explicit(LayerGradients):
    """Gradients that are given: small ones, of scales and shifts, or of modules nothing is known of."""

    def __init__(self, gradients: Mapping[nn.Parameter, Tensor]) -> None:
        self.parameters = tuple(gradients)
        self._gradients = gradients

    def square_norms(self) -> Tensor:
        return torch.stack([g.flatten(1).square().sum(1) for g in self._gradients.values()]).sum(0)

    def projections(self) -> Tensor:
        flat = [g.flatten(1) for g in self._gradients.values()]
        return torch.stack([g @ g.mean(0) for g in flat]).sum(0)

    def write_gram(self, out: Tensor) -> None:
        explicit_gram(self._gradients.values(), out)

    def weighted_sum(self, weights: Tensor) -> Gradients:
        return {p: torch.tensordot(weights, g, 1) for p, g in self._gradients.items()}

    def explicit(self) -> Gradients:
        return dict(self._gradients)


@dataclass(eq=False, repr=False)
class OuterProducts(LayerGradients):
    """Matrix gradients ``g_i = sum_t left_it right_it'`` and bias gradients ``sum_t left_it``.

    Attributes:
        left: output gradients, (n, T, p).
        right: inputs, (n, T, q).
        weight: the matrix, with p q elements; None if frozen.
        bias: the bias, (p,); None if frozen or absent.
    """

    left: Tensor
    right: Tensor
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __post_init__(self) -> None:
        self.parameters = tuple(p for p in (self.weight, self.bias) if p is not None)

    def write_gram(self, out: Tensor) -> None:
        n, positions, p = self.left.shape
        q = self.right.shape[2]
        if self.weight is not None and positions == 1:
            outer_product_gram(self.left.view(n, p), self.right.view(n, q), self.bias is not None, out)
        elif self.weight is not None and pairs_are_cheaper(n, positions, p, q):
            position_pair_gram(positions, self._pair_products, out)
        else:
            explicit_gram(self._slabs(), out)

    def square_norms(self) -> Tensor | None:
        if self.left.shape[1] > 1:
            return None
        square_norms = self.left.square().sum((1, 2))
        inputs = self.right.square().sum((1, 2)) if self.weight is not None else 0
        return square_norms * (inputs + (self.bias is not None))

    def projections(self) -> Tensor | None:
        n, positions, p = self.left.shape
        q = self.right.shape[2]
        # The mean takes n p q multiply-adds, the products with it as many, the Gram matrix n^2 (p + q) / 2.
        if positions > 1 or n * (p + q) <= 4 * p * q:
            return None
        mean = self.weighted_sum(self.left.new_full((n,), 1 / n))
        # <g_i, mean>: the inner product of left_i with the layer's output for right_i under the mean.
        outputs = torch.zeros_like(self.left)
        if self.weight is not None:
            outputs = row_products(self.right.flatten(0, 1), mean[self.weight].view(p, q)).view_as(self.left)
        if self.bias is not None:
            outputs = outputs + mean[self.bias]
        return (outputs * self.left).sum((1, 2))

    def _pair_products(self, rows: slice, columns: slice) -> Tensor:
        left, right = self.left.flatten(0, 1), self.right.flatten(0, 1)
        outputs = row_products(left[rows], left[columns])
        inputs = row_products(right[rows], right[columns])
        return outputs.addcmul_(outputs, inputs) if self.bias is not None else outputs.mul_(inputs)

    def _slabs(self) -> Iterator[Tensor]:
        n, _, p = self.left.shape
        if self.bias is not None:
            yield self.left.sum(1)
        if self.weight is not None:
            for slab in torch.split(self.right, max(1, BLOCK // (n * p)), dim=2):
                yield self.left.mT @ slab

    def weighted_sum(self, weights: Tensor) -> Gradients:
        left, right = (factor.flatten(0, 1) for factor in weighted(weights, self.left, self.right))
        gradients: Gradients = {}
        if self.weight is not None:
            gradients[self.weight] = row_products(left.t(), right.t()).view(self.weight.shape)
        if self.bias is not None:
            gradients[self.bias] = left.sum(0)
        return gradients

    def explicit(self) -> Gradients:
        gradients: Gradients = {}
        if self.weight is not None:
            gradients[self.weight] = (self.left.mT @ self.right).view(-1, *self.weight.shape)
        if self.bias is not None:
            gradients[self.bias] = self.left.sum(1)
        return gradients


def joined(parts: Sequence[LayerGradients]) -> LayerGradients:
    """The sum of several calls' gradients, for parameters that more than one call uses."""
    if len(parts) == 1:
        return parts[0]
    outer = [part for part in parts if type(part) is OuterProducts]
    if len(outer) == len(parts) and len({(o.weight, o.bias) for o in outer}) == 1:
        # Calls of one module are further positions.
        left, right = torch.cat([o.left for o in outer], 1), torch.cat([o.right for o in outer], 1)
        return OuterProducts(left, right, outer[0].weight, outer[0].bias)
    total: Gradients = {}
    for part in parts:
        for parameter, gradient in part.explicit().items():
            total[parameter] = total[parameter] + gradient if parameter in total else gradient
    return Explicit(total)
