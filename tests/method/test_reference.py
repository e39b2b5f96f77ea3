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


@pytest.mark.parametrize("scope", ["layer", "model"])
def test_weights_by_the_fall_of_the_trusted_loss(scope: Any) -> None:
    """Learning to reweight: what a step on sample i takes from the trusted loss, to first order."""
    model = mlp()
    selection = DynamicBatch(model, rule="learning_to_reweight", scope=scope).backward(
        losses_of(model), reference=trusted(model)
    )
    for names in [NAMES] if scope == "model" else [[name] for name in NAMES]:
        own = [p for name in names for p in model.get_submodule(name).parameters()]
        before = trusted(model).mean()
        falls = []
        for gradient in flat(sample_gradients(lambda: losses_of(model), own)):
            step = torch.nn.utils.parameters_to_vector(own).clone()
            with torch.no_grad():
                torch.nn.utils.vector_to_parameters(step - 1e-6 * gradient, own)
                falls.append((before - trusted(model).mean()).clamp_min(0).item())
                torch.nn.utils.vector_to_parameters(step, own)
        expected = torch.tensor(falls, dtype=torch.float64)
        for name in names:
            torch.testing.assert_close(
                selection.weights[name], expected / expected.sum(), rtol=1e-3, atol=1e-5
            )


def test_where_no_sample_helps_the_nearest_to_it_is_taken() -> None:
    model = mlp()
    reference = -losses_of(model)  # what raises these losses lowers those
    weights = (
        DynamicBatch(model, rule="learning_to_reweight", scope="model")
        .backward(losses_of(model)[:1], reference=reference[:1])
        .weights["0"]
    )
    assert weights.tolist() == [1.0]


@pytest.mark.parametrize("passes", [apart, together])
def test_trained_beside_the_batch_all_of_it_is_the_mean_of_both(passes: Any) -> None:
    alone, model = mlp(), mlp()
    torch.cat([losses_of(alone), trusted(alone)]).mean().backward()
    losses, reference = passes(model)
    DynamicBatch(model, rule="all").backward(losses, reference=reference, beside=True)
    for p, q in zip(alone.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_trained_beside_the_chosen_each_counts_like_one_of_them() -> None:
    alone, model = mlp(), mlp()
    chosen = losses_of(alone).topk(3, largest=False).indices
    torch.cat([losses_of(alone)[chosen], trusted(alone)]).mean().backward()
    selection = DynamicBatch(model, rule="smallest_loss", size=3).backward(
        losses_of(model), reference=trusted(model), beside=True
    )
    assert set(selection.weights["0"].nonzero().flatten().tolist()) == set(chosen.tolist())
    for p, q in zip(alone.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_what_is_missing_is_said() -> None:
    model = mlp()
    with pytest.raises(ValueError, match=r"backward\(losses, reference=their losses\)"):
        DynamicBatch(model, rule="agreement").backward(losses_of(model))
    with pytest.raises(ValueError, match=r"of the reference must have shape \(n,\)"):
        DynamicBatch(model).backward(losses_of(model), reference=trusted(model).mean())
    with pytest.raises(ValueError, match=r"beside needs backward\(losses, reference=their losses\)"):
        DynamicBatch(model).backward(losses_of(model), beside=True)
    with pytest.raises(ValueError, match="losses of the reference have no graph"):
        DynamicBatch(model).backward(losses_of(model), reference=trusted(model).detach())
    with pytest.raises(ValueError, match="losses of the reference must be finite"):
        DynamicBatch(model).backward(losses_of(model), reference=trusted(model) * torch.inf)
