"""What `torch.compile` needs to be told, so that the samples' gradients of a compiled model can be taken."""

import sys
import warnings
from collections.abc import Iterable

import torch
import torch._functorch.config as _config


def allow_second_passes() -> None:
    """Have compiled functions keep what a second backward pass through them needs.

    By default they give their buffers away in the first ("donated buffers"), which torch's own message says
    how to turn off. What is compiled already is compiled anew when it is next called.
    """
    if getattr(_config, "donated_buffer", False):
        _config.donated_buffer = False
        if "torch._dynamo" in sys.modules:
            torch.compiler.reset()


def warn_of_compiled_layers(names: Iterable[str]) -> None:
    """Warn where one of the nodes that use parameters is a compiled function."""
    if any(name.startswith("CompiledFunction") for name in names):
        warnings.warn(
            "layers are compiled, and their samples' gradients take a backward pass for each sample; keep "
            "the layers out of the graphs: `layer.forward = torch.compiler.disable(layer.forward)` for each "
            "Linear, Conv, Embedding and norm, before the model is first called",
            stacklevel=5,
        )
