"""Per-sample gradients of one layer, in forms that need no gradient per sample."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn

from ._gram import (
    ELEMENT,
    PRODUCT,
    READ,
    explicit_gram,
    outer_product_gram,
    outer_slabs,
    own_pair_sums,
    pair_cost,
    position_pair_gram,
    slab_cost,
    sum_of_squares,
    triangle,
)
from ._products import row_products

Gradients = dict[nn.Parameter, Tensor]

PICKING = 40_000.0
"""Nanoseconds of the calls that pick the samples with weight."""


class LayerGradients(ABC):
    """The per-sample gradients g_i, i < n, of trainable parameters.

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

    # What follows spares the Gram matrix; a class that has no `costs` needs none of it.

    def costs(self, n: int) -> "Costs | None":
        """What n samples like these cost by each way; None where there is no other than the Gram matrix."""
        return None

    def square_norms(self) -> Tensor | None:
        """``|g_i|^2``, (n,); None where they are only known from the Gram matrix."""
        return None

    def projections(self) -> Tensor | None:
        """``<g_i, mean>``, (n,); None where they are only known from the Gram matrix."""
        if self.costs(1) is None:
            return None
        total = self.total()
        values = self.products(total)
        return values / len(values)

    def products(self, gradients: Gradients) -> Tensor:
        """``<g_i, G>``, (n,), with one gradient G of the same parameters."""
        raise NotImplementedError

    def part(self, samples: Tensor | slice) -> "LayerGradients":
        """The gradients of some of the samples, by their indices (m,), or as views of a range of them."""
        raise NotImplementedError

    def total(self) -> Gradients:
        """``sum_i g_i`` for each parameter."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Costs:
    """Estimates in nanoseconds of one core: they only decide which of several exact ways is taken.

    Attributes:
        gram: of the Gram matrix.
        square_norms: of the squared norms without it.
        product: of the sum of all gradients, or of their inner products with one gradient.
    """

    gram: float
    square_norms: float
    product: float


def inner_products(gradients: LayerGradients, vector: Gradients, samples: int) -> Tensor:
    """``<g_i, v>``, (n,), of any gradients: the derivative of ``<sum_i w_i g_i, v>`` by w."""
    if gradients.costs(samples) is not None:
        return gradients.products(vector)
    some = next(iter(vector.values()))
    with torch.enable_grad():
        weights = some.new_ones(samples, requires_grad=True)
        total = gradients.weighted_sum(weights)
        product = torch.stack([(total[p] * v).sum() for p, v in vector.items()]).sum()
    return torch.autograd.grad(product, weights)[0]


def square_of(gradients: Gradients) -> Tensor:
    """The squared norm of a gradient, a scalar."""
    squares = [g.flatten().dot(g.flatten()) for g in gradients.values()]
    return squares[0] if len(squares) == 1 else torch.stack(squares).sum()


def weighted(weights: Tensor, left: Tensor, right: Tensor, cost: float) -> tuple[Tensor, Tensor]:
    """``w_i left_i`` and ``right_i``, without samples of no weight where leaving them out saves something.

    Some samples without weight fill the number up to one of about sixteen, because matrix kernels are
    prepared for every new shape. On an accelerator, counting would wait for the device: all samples stay.
    So they do where what is made of them all costs little, in nanoseconds.
    """
    n = weights.shape[0]
    if cost > PICKING and weights.device.type == "cpu":
        step = max(8, n // 16)
        size = -(-int(weights.count_nonzero()) // step) * step
        if 10 * size < 9 * n:
            chosen = weights.argsort(descending=True)[:size]
            left, right, weights = (factor.index_select(0, chosen) for factor in (left, right, weights))
    return left * weights.view(-1, *(1,) * (left.ndim - 1)), right


def of_samples(values: Tensor, samples: Tensor | slice) -> Tensor:
    """Those of some samples: a copy by indices, a view of a range."""
    return values[samples] if isinstance(samples, slice) else values.index_select(0, samples)


def shaped(gradient: Tensor, shape: torch.Size) -> Tensor:
    """The gradient in that shape; itself where it has it, because a view would be copied into ``.grad``."""
    return gradient if gradient.shape == shape else gradient.view(shape)


class Explicit(LayerGradients):
    """Gradients that are given: small ones, of scales and shifts, or of modules nothing is known of."""

    def __init__(self, gradients: Mapping[nn.Parameter, Tensor]) -> None:
        self.parameters = tuple(gradients)
        self._gradients = gradients

    def costs(self, n: int) -> Costs:
        elements = float(sum(n * g[0].numel() for g in self._gradients.values()))
        return Costs(elements * (ELEMENT + n * PRODUCT), elements * READ, elements * READ)

    def square_norms(self) -> Tensor:
        return torch.stack([g.reshape(len(g), -1).square().sum(1) for g in self._gradients.values()]).sum(0)

    def products(self, gradients: Gradients) -> Tensor:
        own = self._gradients.items()
        return torch.stack([g.reshape(len(g), -1) @ gradients[p].flatten() for p, g in own]).sum(0)

    def part(self, samples: Tensor | slice) -> "Explicit":
        return Explicit({p: of_samples(g, samples) for p, g in self._gradients.items()})

    def total(self) -> Gradients:
        return {p: g.sum(0) for p, g in self._gradients.items()}

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

    def costs(self, n: int) -> Costs:
        _, positions, p = self.left.shape
        q = self.right.shape[2] if self.weight is not None else 0
        if positions == 1:
            gram, norms = triangle(n) * n * n * (p + q) * PRODUCT, n * (p + q) * READ
        else:
            gram = min(pair_cost(n, n, positions, p, q), slab_cost(n, n, positions, p, q))
            norms = min(pair_cost(n, 1, positions, p, q), slab_cost(n, 1, positions, p, q))
        return Costs(gram, norms, n * positions * p * (q + 1) * PRODUCT)

    def write_gram(self, out: Tensor) -> None:
        n, positions, p = self.left.shape
        q = self.right.shape[2]
        if self.weight is not None and positions == 1:
            outer_product_gram(self.left.view(n, p), self.right.view(n, q), self.bias is not None, out)
        elif self.weight is not None and pair_cost(n, n, positions, p, q) < slab_cost(n, n, positions, p, q):
            position_pair_gram(positions, self._pair_products, out)
        else:
            explicit_gram(self._slabs(), out)

    def square_norms(self) -> Tensor:
        n, positions, p = self.left.shape
        q = self.right.shape[2]
        if positions == 1:
            square_norms = self.left.square().sum((1, 2))
            inputs = self.right.square().sum((1, 2)) if self.weight is not None else 0
            return square_norms * (inputs + (self.bias is not None))
        if self.weight is not None and pair_cost(n, 1, positions, p, q) < slab_cost(n, 1, positions, p, q):
            return own_pair_sums(self.left, self.right, self.bias is not None)
        return sum_of_squares(self._slabs(), n)

    def products(self, gradients: Gradients) -> Tensor:
        # The inner product of left_it with the layer's output for right_it under G, summed over t.
        n, _, p = self.left.shape
        q = self.right.shape[2]
        if self.weight is None:
            assert self.bias is not None
            return self.left.sum(1) @ gradients[self.bias]
        outputs = row_products(self.right.flatten(0, 1), gradients[self.weight].view(p, q))
        if self.bias is not None:
            outputs += gradients[self.bias]
        return outputs.mul_(self.left.flatten(0, 1)).view(n, -1).sum(1)

    def part(self, samples: Tensor | slice) -> "OuterProducts":
        left, right = (of_samples(factor, samples) for factor in (self.left, self.right))
        return OuterProducts(left, right, self.weight, self.bias)

    def total(self) -> Gradients:
        return self._sum(self.left, self.right)

    def _pair_products(self, rows: slice, columns: slice) -> Tensor:
        left, right = self.left.flatten(0, 1), self.right.flatten(0, 1)
        outputs = row_products(left[rows], left[columns])
        inputs = row_products(right[rows], right[columns])
        return outputs.addcmul_(outputs, inputs) if self.bias is not None else outputs.mul_(inputs)

    def _slabs(self) -> Iterator[Tensor]:
        if self.bias is not None:
            yield self.left.sum(1)
        if self.weight is not None:
            yield from outer_slabs(self.left, self.right)

    def weighted_sum(self, weights: Tensor) -> Gradients:
        cost = self.left.numel() * self.right.shape[2] * PRODUCT
        return self._sum(*weighted(weights, self.left, self.right, cost))

    def _sum(self, left: Tensor, right: Tensor) -> Gradients:
        left, right = left.flatten(0, 1), right.flatten(0, 1)
        gradients: Gradients = {}
        if self.weight is not None:
            gradients[self.weight] = shaped(row_products(left.t(), right.t()), self.weight.shape)
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


class Together(LayerGradients):
    """Gradients of several sets of parameters, none of them in two: one vector for each sample."""

    def __init__(self, parts: Sequence[LayerGradients]) -> None:
        self.parameters = tuple(p for part in parts for p in part.parameters)
        self._parts = parts

    def costs(self, n: int) -> Costs | None:
        costs = [part.costs(n) for part in self._parts]
        known = [c for c in costs if c is not None]
        if len(known) < len(costs):
            return None
        return Costs(*(sum(values) for values in zip(*(astuple(c) for c in known), strict=True)))

    def write_gram(self, out: Tensor) -> None:
        self._parts[0].write_gram(out)
        for part in self._parts[1:]:
            more = torch.empty_like(out)
            part.write_gram(more)
            out += more

    def square_norms(self) -> Tensor | None:
        norms = [part.square_norms() for part in self._parts]
        known = [n for n in norms if n is not None]
        return torch.stack(known).sum(0) if len(known) == len(norms) else None

    def products(self, gradients: Gradients) -> Tensor:
        return torch.stack([part.products(gradients) for part in self._parts]).sum(0)

    def part(self, samples: Tensor | slice) -> "Together":
        return Together([part.part(samples) for part in self._parts])

    def total(self) -> Gradients:
        return _united(part.total() for part in self._parts)

    def weighted_sum(self, weights: Tensor) -> Gradients:
        return _united(part.weighted_sum(weights) for part in self._parts)

    def explicit(self) -> Gradients:
        return _united(part.explicit() for part in self._parts)


def _united(gradients: Iterable[Gradients]) -> Gradients:
    return {p: g for own in gradients for p, g in own.items()}


def joined(parts: Sequence[LayerGradients]) -> LayerGradients:
    """One vector of gradients for each sample, from all uses of a layer's parameters."""
    if len(parts) == 1:
        return parts[0]
    groups: list[list[LayerGradients]] = []
    for part in parts:
        own = set(part.parameters)
        shared = [g for g in groups if any(not own.isdisjoint(member.parameters) for member in g)]
        groups = [g for g in groups if g not in shared]
        groups.append([*(member for g in shared for member in g), part])
    added = [_added(group) for group in groups]
    return added[0] if len(added) == 1 else Together(added)


def _added(parts: Sequence[LayerGradients]) -> LayerGradients:
    """The sum of gradients of the same parameters."""
    if len(parts) == 1:
        return parts[0]
    outer = [part for part in parts if type(part) is OuterProducts]
    if len(outer) == len(parts) and len({(o.weight, o.bias) for o in outer}) == 1:
        # Several products with one matrix are further positions of one.
        left, right = torch.cat([o.left for o in outer], 1), torch.cat([o.right for o in outer], 1)
        return OuterProducts(left, right, outer[0].weight, outer[0].bias)
    total: Gradients = {}
    for part in parts:
        for parameter, gradient in part.explicit().items():
            total[parameter] = total[parameter] + gradient if parameter in total else gradient
    return Explicit(total)
