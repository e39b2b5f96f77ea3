"""The method by brute force: one sample at a time through torch.autograd, one subset at a time."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


def sample_gradients(
    losses_of: Callable[[], Tensor], parameters: Iterable[nn.Parameter]
) -> list[list[Tensor]]:
    """Gradients [sample][parameter], each by its own backward pass through the whole graph."""
    parameters = list(parameters)
    return [
        [
            torch.zeros_like(p) if g is None else g
            for p, g in zip(
                parameters,
                torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True),
                strict=True,
            )
        ]
        for loss in losses_of()
    ]


def flat(gradients: Sequence[Sequence[Tensor]]) -> Tensor:
    """Stacked gradients, (samples, all parameters)."""
    return torch.stack([torch.cat([g.flatten() for g in sample]) for sample in gradients])


def statistics(gradients: Tensor, weights: Tensor) -> tuple[int, float, float, float]:
    """Size, mean squared norm, squared norm of the mean and variance, straight from the gradients."""
    mean = weights @ gradients
    square_norms = float(weights @ gradients.square().sum(1))
    variance = float(weights @ (gradients - mean).square().sum(1))
    return int((weights > 0).sum()), square_norms, float(mean @ mean), variance


def metric(name: str, gradients: Tensor, weights: Tensor) -> float:
    """A metric by its definition."""
    k, square_norms, square_mean, variance = statistics(gradients, weights)
    match name:
        case "variance":
            return variance
        case "norm":
            return square_mean
        case "snr":
            return 0.0 if square_mean == 0 else math.inf if variance == 0 else square_mean / variance
        case "noise_scale":
            return math.inf if square_mean == 0 else variance / square_mean
        case "diversity":
            if square_norms == 0:
                return 0.0
            return math.inf if square_mean == 0 else square_norms / (k * square_mean)
    raise AssertionError(name)


def sorted_samples(name: str, gradients: Tensor) -> list[int]:
    """Samples in an order by its definition."""
    mean = gradients.mean(0)
    match name:
        case "alignment":
            keys = torch.nn.functional.cosine_similarity(gradients, mean.expand_as(gradients), eps=0.0)
            keys = keys.nan_to_num(0.0)
        case "projection":
            keys = gradients @ mean
        case "norm":
            keys = gradients.norm(dim=1)
        case "distance":
            keys = -(gradients - mean).norm(dim=1)
        case _:
            raise AssertionError(name)
    return sorted(range(len(gradients)), key=lambda i: -float(keys[i]))


def equal_weights(chosen: Iterable[int], n: int) -> Tensor:
    """Weights 1/k for the chosen samples."""
    weights = torch.zeros(n, dtype=torch.float64)
    weights[list(chosen)] = 1.0
    return weights / weights.sum()


def best_subset(name: str, gradients: Tensor, family: Iterable[Sequence[int]]) -> Tensor:
    """Weights of the family's best subset, tried one by one; of equals the largest."""
    sign = 1.0 if name in ("norm", "snr", "diversity") else -1.0
    n = len(gradients)
    candidates = [equal_weights(chosen, n) for chosen in family]
    return max(candidates, key=lambda w: (sign * metric(name, gradients, w), int((w > 0).sum())))
