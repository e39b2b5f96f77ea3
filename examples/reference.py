"""Dynamic Batch Adaptation as it reads on paper: the gradient of every sample, every prefix tried in turn.

What `dba_cli.DynamicBatch` does by default (metric `snr`, order `alignment`, rule `prefix`, each layer for
itself), for networks that `torch.func.vmap` can take apart, at the price of n times the network's memory. A
test holds the two together.

    python examples/reference.py
"""

from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from dba_cli import DynamicBatch


def sample_gradients(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Parameter name to the gradients of the single samples' losses, (n, *shape)."""

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, parameters, x.unsqueeze(0)), y.unsqueeze(0))

    parameters = {name: p.detach() for name, p in model.named_parameters()}
    return vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)


def best_prefix(gradients: Tensor, min_fraction: float) -> Tensor:
    """Indices of the samples to keep of gradients (n, parameters)."""
    order = F.cosine_similarity(gradients, gradients.mean(0, keepdim=True)).argsort(
        descending=True, stable=True
    )

    def snr(size: int) -> tuple[float, int]:
        kept = gradients[order[:size]]
        ratio = kept.mean(0).square().sum() / kept.var(0, correction=0).sum()
        return float(ratio), size  # of equals the largest

    return order[: max(range(ceil(min_fraction * len(order)), len(order) + 1), key=snr)]


def backward(model: nn.Module, x: Tensor, y: Tensor, min_fraction: float = 0.25) -> dict[str, int]:
    """Write ``.grad`` of the selected samples' mean loss; return how many samples each layer kept."""
    found = sample_gradients(model, x, y)
    sizes = {}
    for layer, module in model.named_modules():
        own = {f"{layer}.{name}": parameter for name, parameter in module.named_parameters(recurse=False)}
        if own:
            kept = best_prefix(torch.cat([found[name].flatten(1) for name in own], 1), min_fraction)
            sizes[layer] = len(kept)
            for name, parameter in own.items():
                parameter.grad = found[name][kept].mean(0)
    return sizes


def main() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10)).double()
    x, y = torch.randn(100, 20).double(), torch.randint(0, 10, (100,))
    print("plain way:   ", backward(model, x, y))
    plain = [p.grad for p in model.parameters()]
    model.zero_grad()
    dba = DynamicBatch(model)
    print("DynamicBatch:", dba.backward(F.cross_entropy(model(x), y, reduction="none")).sizes)
    error = max(float((p.grad - g).norm() / g.norm()) for p, g in zip(model.parameters(), plain, strict=True))
    print(f"largest relative difference of a gradient: {error:.0e}")


if __name__ == "__main__":
    main()
