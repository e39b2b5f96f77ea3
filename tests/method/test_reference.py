"""The reference set of trusted samples: against autograd, one sample at a time."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dba_cli.method import DynamicBatch

from .problems import batch, losses_of, mlp
from .reference import flat, sample_gradients

NAMES = ["0", "2", "3", "4"]


def trusted(model: nn.Module, m: int = 7) -> Tensor:
    x, y = batch(m)
    return F.cross_entropy(model(x), y, reduction="none")


def together(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Losses of the batch and of the trusted samples from one forward pass."""
    (x, y), (more, labels) = batch(), batch(7)
    losses = F.cross_entropy(model(torch.cat([x, more])), torch.cat([y, labels]), reduction="none")
    return losses[: len(y)], losses[len(y) :]


def apart(model: nn.Module) -> tuple[Tensor, Tensor]:
    return losses_of(model), trusted(model)


@pytest.mark.parametrize("passes", [apart, together])
@pytest.mark.parametrize("scope", ["layer", "model"])
@pytest.mark.parametrize("kind", ["agreement", "reference", "reference_alignment"])
def test_choices_by_the_reference(kind: str, scope: Any, passes: Any) -> None:
    model = mlp()
    keys: dict[str, Any] = {"scope": scope}
    keys |= (
        {"rule": "agreement", "min_fraction": 0} if kind == "agreement" else {"rule": "top_k", "order": kind}
    )
    losses, reference = passes(model)
    selection = DynamicBatch(model, **keys).backward(losses, reference=reference)
    for names in [NAMES] if scope == "model" else [[name] for name in NAMES]:
        own = [p for name in names for p in model.get_submodule(name).parameters()]
        mine = flat(sample_gradients(lambda: losses_of(model), own))
        theirs = flat(sample_gradients(lambda: trusted(model), own)).mean(0)
        products = mine @ theirs
        if kind == "agreement":
            expected = set((products > 0).nonzero().flatten().tolist())
            assert 0 < len(expected) < 12
        else:
            keyed = products / mine.norm(dim=1) if kind == "reference_alignment" else products
            expected = set(keyed.topk(3).indices.tolist())
        for name in names:
            assert set(selection.weights[name].nonzero().flatten().tolist()) == expected


def test_the_reference_leaves_no_gradient_of_its_own() -> None:
    alone, model = mlp(), mlp()
    DynamicBatch(alone, rule="all").backward(losses_of(alone))
    DynamicBatch(model, rule="all").backward(losses_of(model), reference=trusted(model))
    for p, q in zip(alone.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_what_is_missing_is_said() -> None:
    model = mlp()
    with pytest.raises(ValueError, match=r"backward\(losses, reference=their losses\)"):
        DynamicBatch(model, rule="agreement").backward(losses_of(model))
    with pytest.raises(ValueError, match=r"of the reference must have shape \(n,\)"):
        DynamicBatch(model).backward(losses_of(model), reference=trusted(model).mean())
    with pytest.raises(ValueError, match="losses of the reference have no graph"):
        DynamicBatch(model).backward(losses_of(model), reference=trusted(model).detach())
    with pytest.raises(ValueError, match="losses of the reference must be finite"):
        DynamicBatch(model).backward(losses_of(model), reference=trusted(model) * torch.inf)
