"""Are the samples' gradients those of this network? A comparison with autograd's own gradient."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ._layers import Layer, NonFiniteError, require_finite

TOLERANCE = {8: 1e-8, 4: 1e-3, 2: 5e-2}
"""Largest error accepted, relative to the weighted sum of gradient norms, by the bytes of the narrowest type
that the network computes in."""
NEGLIGIBLE = 1e-3
"""A layer's gradient norm, relative to the largest layer's, below which its own scale says nothing."""


def check_layers(
    layers: Sequence[Layer],
    weights: Tensor,
    expected: Mapping[nn.Parameter, Tensor],
    names: Mapping[nn.Parameter, str],
    narrowest: int,
) -> None:
    """Compare ``sum_i w_i g_i`` of every layer with autograd's gradient of ``sum_i w_i loss_i``.

    Args:
        layers: the gradients g_i.
        weights: w, (n,), of the gradients' type; no two samples should have one weight by design.
        expected: autograd's gradient of every parameter that it reaches.
        names: of the parameters.
        narrowest: bytes of the narrowest floating type in the graph.
    """
    covered = {p for layer in layers for p in layer.gradients.parameters}
    for parameter in expected:
        if parameter not in covered:
            raise RuntimeError(
                f"parameter {names[parameter]!r} has a gradient in autograd, and none of its own samples"
            )
    square_norms = torch.stack([_square_norms(layer, weights) for layer in layers])
    require_finite(square_norms, layers)
    scales = (square_norms.clamp_min(0).sqrt() @ weights.abs()).tolist()
    tolerance = TOLERANCE[min(8, max(2, narrowest))]
    for layer, scale in zip(layers, scales, strict=True):
        # A layer whose gradient is zero but for rounding is held to the scale of the others.
        allowed = tolerance * max(scale, NEGLIGIBLE * max(scales))
        ours = layer.gradients.weighted_sum(weights)
        error = float(torch.stack([(ours[p] - expected[p]).norm() for p in ours if p in expected]).max())
        if not error <= allowed:
            modules = ", ".join(repr(name) for name in layer.names)
            if not all(expected[p].isfinite().all() for p in ours if p in expected):
                raise NonFiniteError(f"module {modules}: autograd's own gradient is not finite")
            raise RuntimeError(
                f"module {modules}: the per-sample gradients do not add up to autograd's (error "
                f"{error:.2g}, tolerance {allowed:.2g}). A function or a hook that changes gradients may be "
                "the reason, or a sampler of your own. Mend that, or pass check=0 if the difference is meant"
            )


def _square_norms(layer: Layer, weights: Tensor) -> Tensor:
    norms = layer.gradients.square_norms()
    if norms is None:
        gram = weights.new_empty(len(weights), len(weights))
        layer.gradients.write_gram(gram)
        norms = gram.diagonal().clone()
    return norms
