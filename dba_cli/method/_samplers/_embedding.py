"""Embeddings: a gradient is sparse, one row for every token of the sample."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .._gram import BLOCK, ELEMENT, PAIRS, PRODUCT, explicit_gram, pair_cost, position_pair_gram
from .._layer_gradients import Costs, Gradients, LayerGradients, of_samples, weighted
from ._registry import NotServed, Use, register_sampler


class EmbeddingRows(LayerGradients):
    """Gradients ``g_i = sum_t onehot(token_it) rows_it'`` of an embedding matrix.

    Args:
        tokens: row of the matrix, (n, T), integer.
        rows: output gradients, (n, T, e).
        weight: the matrix, (vocabulary, e).
    """

    def __init__(self, tokens: Tensor, rows: Tensor, weight: nn.Parameter) -> None:
        self.parameters = (weight,)
        self._tokens = tokens
        self._rows = rows
        self._weight = weight

    def write_gram(self, out: Tensor) -> None:
        n, positions = self._tokens.shape
        used, tokens = torch.unique(self._tokens, return_inverse=True)
        # All position pairs take n^2 T^2 e multiply-adds, dense rows of the tokens in use n^2 e each.
        if positions * positions <= len(used):
            position_pair_gram(positions, self._pair_products, out)
        else:
            explicit_gram(self._dense(tokens, len(used), max(1, BLOCK // (n * len(used)))), out)

    def costs(self, n: int) -> Costs:
        positions = self._tokens.shape[1]
        width, rows = self._rows.shape[2], self._weight.shape[0]
        dense = n * n * min(rows, n * positions) * width * PRODUCT
        gram = min(pair_cost(n, n, positions, width, 0), dense)
        return Costs(gram, pair_cost(n, 1, positions, width, 0), n * positions * width * ELEMENT)

    def square_norms(self) -> Tensor:
        some = max(1, PAIRS // self._tokens.shape[1] ** 2)
        sums = []
        for tokens, rows in zip(torch.split(self._tokens, some), torch.split(self._rows, some), strict=True):
            same = tokens.unsqueeze(1) == tokens.unsqueeze(2)
            sums.append(torch.bmm(rows, rows.mT).mul_(same).sum((1, 2)))
        return torch.cat(sums)

    def products(self, gradients: Gradients) -> Tensor:
        return (gradients[self._weight][self._tokens] * self._rows).sum((1, 2))

    def part(self, samples: Tensor | slice) -> "EmbeddingRows":
        tokens, rows = (of_samples(factor, samples) for factor in (self._tokens, self._rows))
        return EmbeddingRows(tokens, rows, self._weight)

    def total(self) -> Gradients:
        return self._sum(self._rows, self._tokens)

    def _pair_products(self, rows: slice, columns: slice) -> Tensor:
        tokens, gradients = self._tokens.flatten(), self._rows.flatten(0, 1)
        same = tokens[rows].unsqueeze(1) == tokens[columns]
        return (gradients[rows] @ gradients[columns].t()).mul_(same)

    def _dense(self, tokens: Tensor, vocabulary: int, columns: int) -> Iterator[Tensor]:
        """Per-sample gradients of some columns of the matrix at a time, (n, vocabulary, columns)."""
        n = len(tokens)
        places = (tokens + vocabulary * torch.arange(n, device=tokens.device).unsqueeze(1)).flatten()
        for rows in torch.split(self._rows.flatten(0, 1), columns, dim=1):
            dense = rows.new_zeros(n * vocabulary, rows.shape[1]).index_add_(0, places, rows)
            yield dense.view(n, vocabulary, -1)

    def weighted_sum(self, weights: Tensor) -> Gradients:
        return self._sum(*weighted(weights, self._rows, self._tokens, self._rows.numel() * ELEMENT))

    def _sum(self, rows: Tensor, tokens: Tensor) -> Gradients:
        rows, tokens = rows.flatten(0, 1), tokens.flatten(0, 1)
        zeros = torch.zeros_like(self._weight, dtype=rows.dtype)
        return {self._weight: zeros.index_add_(0, tokens, rows)}

    def explicit(self) -> Gradients:
        return {self._weight: next(self._dense(self._tokens, *self._weight.shape))}


@register_sampler("EmbeddingBackward0", saved=("indices", "padding_idx", "scale_grad_by_freq", "sparse"))
def embedding(use: Use) -> list[LayerGradients]:
    """Embedding with tokens of any shape; the row `padding_idx` learns nothing."""
    if use.saved["scale_grad_by_freq"]:
        raise ValueError(
            "scale_grad_by_freq=True divides by counts over the batch; use scale_grad_by_freq=False"
        )
    if use.saved["sparse"]:
        raise ValueError("its gradients are sparse tensors; use sparse=False")
    indices, matrix = use.saved["indices"], use.parameters[0]
    if use.rows.axis >= indices.ndim or matrix.flipped:
        raise NotServed
    n, width = use.samples, use.gradient.shape[-1]
    tokens = use.rows.split(indices, n).reshape(n, -1)
    rows = use.split(use.gradient).reshape(n, -1, width)
    padding = use.saved["padding_idx"]
    rows = rows.masked_fill((tokens == padding).unsqueeze(-1), 0.0)  # without one it is -1, no token
    return [EmbeddingRows(tokens, rows, matrix.tensor)]
