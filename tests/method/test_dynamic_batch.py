import copy
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli import DynamicBatch, Selection
from dba_cli.method import METRICS

from . import reference
from .problems import BY_GRADIENTS, batch, losses_of, mlp


def layer_gradients(model: nn.Module, n: int) -> dict[str, Tensor]:
    """Module name to the reference's per-sample gradients, (n, parameters of the module)."""
    return {
        name: reference.flat(reference.sample_gradients(lambda: losses_of(model, n), module.parameters()))
        for name, module in model.named_modules()
        if module._parameters
    }


def written_gradients(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: torch.cat([p.grad.flatten() for p in module.parameters()])
        for name, module in model.named_modules()
        if module._parameters
    }


def assert_chosen(
    model: nn.Module, n: int, settings: dict[str, object], choose: Callable[[Tensor], Tensor]
) -> None:
    """Every layer's weights, gradient and metric are those of what `choose` finds in its gradients."""
    gradients = layer_gradients(model, n)
    selection = DynamicBatch(model, **settings).backward(losses_of(model, n))
    whole, metric = torch.cat(list(gradients.values()), dim=1), str(settings.get("metric", "snr"))
    for name, own in gradients.items():
        judged = own if settings["scope"] == "layer" else whole
        expected = choose(judged)
        torch.testing.assert_close(selection.weights[name], expected)
        torch.testing.assert_close(written_gradients(model)[name], expected @ own, rtol=1e-10, atol=1e-14)
        assert selection.sizes[name] == int((expected > 0).sum())
        for weights, value in [
            (torch.full((n,), 1 / n, dtype=torch.float64), selection.metric_before[name]),
            (expected, selection.metric_after[name]),
        ]:
            assert value == pytest.approx(reference.metric(metric, judged, weights), rel=1e-9)


@pytest.mark.parametrize("order", BY_GRADIENTS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scope", ["layer", "model"])
def test_prefix_is_the_best_of_all_prefixes(metric: str, order: str, scope: str) -> None:
    def best(gradients: Tensor) -> Tensor:
        samples = reference.sorted_samples(order, gradients)
        return reference.best_subset(metric, gradients, [samples[:k] for k in range(4, 14)])

    settings = {"metric": metric, "order": order, "min_fraction": 0.25, "scope": scope}
    assert_chosen(mlp(), 13, settings, best)


@pytest.mark.parametrize("scope", ["layer", "model"])
@pytest.mark.parametrize("n", [3, 40])  # through the Gram matrix, and without
@pytest.mark.parametrize("order", ["alignment", "distance"])
def test_top_k_are_the_first_of_the_order(scope: str, n: int, order: str) -> None:
    settings = {"rule": "top_k", "order": order, "size": 2, "scope": scope}
    assert_chosen(
        mlp(), n, settings, lambda g: reference.equal_weights(reference.sorted_samples(order, g)[:2], n)
    )


@pytest.mark.parametrize("n", [1, 2, 100, 300])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_all_is_the_plain_mean_gradient(n: int, dtype: torch.dtype) -> None:
    model = mlp(dtype)
    plain = copy.deepcopy(model)
    losses_of(plain, n).mean().backward()
    selection = DynamicBatch(model, rule="all").backward(losses_of(model, n))
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert set(selection.sizes.values()) == {n}


def test_random_keeps_the_sizes_of_prefix_and_draws_from_the_generator() -> None:
    n = 40
    model = mlp()
    prefix = DynamicBatch(model).backward(losses_of(model, n))

    def draw(seed: int) -> Selection:
        generator = torch.Generator().manual_seed(seed)
        return DynamicBatch(model, rule="random", generator=generator).backward(losses_of(model, n))

    first, again, other = draw(1), draw(1), draw(2)
    assert first.sizes == prefix.sizes
    for name in prefix.weights:
        torch.testing.assert_close(first.weights[name], again.weights[name])
        assert not torch.equal(first.weights[name], prefix.weights[name])
    assert any(not torch.equal(first.weights[k], other.weights[k]) for k in first.weights)


@pytest.mark.parametrize("rule", ["prefix", "greedy"])
@pytest.mark.parametrize("metric", METRICS)
def test_zero_gradients_keep_every_sample(metric: str, rule: str) -> None:
    model = mlp()
    dba = DynamicBatch(model, metric=metric, min_fraction=0.1, rule=rule)
    selection = dba.backward(losses_of(model, 9) * 0.0)
    assert set(selection.sizes.values()) == {9}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("metric", ["snr", "noise_scale", "variance"])
def test_identical_samples_all_count(metric: str, dtype: torch.dtype) -> None:
    model = mlp(dtype)
    x, y = batch(1, dtype)
    dba = DynamicBatch(model, metric=metric, min_fraction=0.1)
    selection = dba.backward(F.cross_entropy(model(x.repeat(30, 1)), y.repeat(30), reduction="none"))
    assert set(selection.sizes.values()) == {30}


def test_inputs_and_parameters_the_loss_does_not_reach_get_no_gradient() -> None:
    model = mlp()
    model.append(nn.Linear(3, 3).double())
    dba = DynamicBatch(model)
    x, y = batch(6)
    losses = F.cross_entropy(model[:5](x.requires_grad_()), y, reduction="none")
    selection = dba.backward(losses)
    assert "5" not in selection.weights
    assert x.grad is model[5].weight.grad is None


def test_evaluation_between_forward_and_backward_does_not_disturb() -> None:
    model = mlp()
    dba = DynamicBatch(model)
    expected = dba.backward(losses_of(model, 10))
    model.zero_grad()
    losses = losses_of(model, 10)
    with torch.no_grad():
        model(batch(50)[0])
    model(batch(20)[0])
    selection = dba.backward(losses)
    for name, weights in expected.weights.items():
        torch.testing.assert_close(selection.weights[name], weights)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "snrr"}, "unknown metric 'snrr'; did you mean 'snr'\\?"),
        ({"order": "allignment"}, "did you mean 'alignment'"),
        ({"rule": "prefixes"}, "did you mean 'prefix'"),
        ({"scope": "network"}, "known: layer, model"),
        ({"coupled": "ignore"}, "known: refuse, exact"),
        ({"check": "always"}, "number of steps, 1000 for instance"),
        ({"min_fraction": 1.5}, r"min_fraction must be in \[0, 1\], not 1.5"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DynamicBatch(mlp(), **settings)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda losses: losses.mean(), r'shape \(n,\).*reduction="none"'),
        (lambda losses: losses[:0], "n >= 1"),
        (lambda losses: losses.detach(), "no graph"),
        (lambda losses: losses * torch.tensor([1.0, math.nan, 1.0, 1.0]), r"samples \[1\] of 4"),
    ],
)
def test_losses_are_checked(spoil: object, message: str) -> None:
    model = mlp()
    dba = DynamicBatch(model)
    with pytest.raises(ValueError, match=message):
        dba.backward(spoil(losses_of(model, 4)))
    assert all(p.grad is None for p in model.parameters())


def test_a_parameter_of_another_model_is_refused_by_its_shape() -> None:
    model = mlp()
    dba = DynamicBatch(model)
    with pytest.raises(RuntimeError, match=r"a parameter of shape \(4,\) that is not the model's"):
        dba.backward(losses_of(model, 4) * nn.Parameter(torch.ones(4, dtype=torch.float64)))
    with pytest.raises(RuntimeError, match="no trainable parameter of the model"):
        dba.backward(model(batch(4)[0].requires_grad_()).detach().requires_grad_().square().sum(1))


def test_a_frozen_model_behind_this_one_may_be_watched_too() -> None:
    model, critic = mlp(), nn.Linear(3, 1).double()
    critic.requires_grad_(False)
    dba, _ = DynamicBatch(model), DynamicBatch(critic)
    selection = dba.backward(critic(model(batch(6)[0])).square().squeeze(1))
    assert list(selection.weights) == ["0", "2", "3", "4"]
    assert repr(selection) == f"Selection(sizes={selection.sizes})"
