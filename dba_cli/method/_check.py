"""Does the per-sample view hold for this network? A comparison with autograd on the network itself.

Whatever breaks the premise (samples that influence each other's losses, a parameter used past its module, a
first axis that is not the samples', a layer whose sampler is wrong) makes the sum of the layers' per-sample
gradients, each sample weighted differently, disagree with autograd's gradient of the weighted losses.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._delivery import looking_only
from ._layers import Layer, require_finite

_GOLDEN_RATIO = 0.6180339887498949
TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}
"""Largest error accepted, relative to the weighted sum of gradient norms."""
LOW_PRECISION_TOLERANCE = 5e-2
"""The same where autograd itself computes in half precision."""
NEGLIGIBLE = 1e-3
"""A layer's gradient norm, relative to the largest layer's, below which its own scale says nothing."""


def check_layers(
    losses: Tensor,
    layers: Sequence[Layer],
    parameters: Sequence[nn.Parameter],
    *,
    dtype: torch.dtype,
    low_precision: bool,
    retain_graph: bool,
) -> None:
    """Compare the layers' gradients, of that type, with autograd's of the parameters that the losses use.

    `low_precision` says whether autograd itself computes in half precision somewhere.
    """
    gram = losses.new_empty(len(losses), len(losses), dtype=dtype)
    norms = []
    for layer in layers:
        layer.gradients.write_gram(gram)
        norms.append(gram.diagonal().clone())
    square_norms = torch.stack(norms)
    require_finite(square_norms, layers)
    # Weights in [0.5, 1.5) / n that differ for every sample, without drawing a random number.
    places = torch.arange(1, len(losses) + 1, device=losses.device, dtype=torch.float64)
    weights = ((0.5 + (places * _GOLDEN_RATIO).frac()) / len(losses)).to(losses.dtype)
    with torch.enable_grad(), looking_only(parameters):
        found = torch.autograd.grad(
            losses, parameters, weights, retain_graph=retain_graph, materialize_grads=True
        )
    expected = dict(zip(parameters, found, strict=True))
    wide = weights.to(dtype)
    scales = (square_norms.clamp_min(0).sqrt() @ wide).tolist()
    tolerance = LOW_PRECISION_TOLERANCE if low_precision else TOLERANCE[dtype]
    for layer, scale in zip(layers, scales, strict=True):
        # A layer whose gradient is zero but for rounding is held to the scale of the others.
        allowed = tolerance * max(scale, NEGLIGIBLE * max(scales))
        ours = layer.gradients.weighted_sum(wide)
        error = float(torch.stack([(ours[p] - expected[p]).norm() for p in ours]).max())
        if not error <= allowed:
            modules = ", ".join(repr(name) for name in layer.names)
            raise RuntimeError(
                f"module {modules}: the per-sample gradients do not add up to autograd's (error {error:.2g}, "
                f"tolerance {allowed:.2g}). Either samples influence each other's losses, or the "
                "first axis of the layer is not the axis of samples, or its parameters are also used outside "
                "its call. Mend that, or pass check='never' if the difference is meant"
            )
