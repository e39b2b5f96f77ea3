import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dba_cli.config import ModelConfig
from dba_cli.errors import UserError
from dba_cli.models import _libraries
from dba_cli.training import Standardize, build_model, count_parameters

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: x.clamp(min=0),
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + (-x).exp()),
}


def mlp(*hidden: int, activation: str = "relu") -> ModelConfig:
    return ModelConfig.model_validate({"kind": "mlp", "hidden": list(hidden), "activation": activation})


def cnn(*channels: int) -> ModelConfig:
    return ModelConfig.model_validate({"kind": "cnn", "channels": list(channels)})


def network(kind: str, **keys: object) -> ModelConfig:
    return ModelConfig.model_validate({"kind": kind, **keys})


def build(config: ModelConfig, seed: int = 0) -> nn.Module:
    return build_model(config, (1, 28, 28), 10, torch.Generator().manual_seed(seed))


def images(n: int = 3) -> Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (mlp(100), 784 * 100 + 100 + 100 * 10 + 10),
        (mlp(100), 79_510),
        (mlp(50, 20), 39_250 + 1_020 + 210),
        (mlp(1), 784 + 1 + 10 + 10),
        (cnn(16, 32), (9 * 16 + 16) + (16 * 9 * 32 + 32) + (32 * 7 * 7 * 10 + 10)),
        (cnn(4), (9 * 4 + 4) + (4 * 14 * 14 * 10 + 10)),
        (
            network("cnn", channels=[4, 6], kernel=5, padding="valid", hidden=[8], dropout=0.5),
            (25 * 4 + 4) + (4 * 25 * 6 + 6) + (6 * 4 * 4 * 8 + 8) + (8 * 10 + 10),  # 28, 24, 12, 8, 4
        ),
        (network("cnn", channels=[4], groups=2), (9 * 4 + 4) + 2 * 4 + (4 * 14 * 14 * 10 + 10)),
        (  # a convolution, a block as wide, a block twice as wide with a way around it
            network("resnet", channels=[8, 16]),
            (9 * 8 + 16) + 2 * (9 * 8 * 8 + 16) + (9 * 8 * 16 + 32 + 9 * 16 * 16 + 32 + 8 * 16 + 32) + 170,
        ),
    ],
)
def test_numbers_of_parameters_by_hand(config: ModelConfig, count: int) -> None:
    assert count_parameters(build(config)) == count


def test_only_trainable_parameters_count() -> None:
    model = build(mlp(100))
    model.get_submodule("output").requires_grad_(False)
    assert count_parameters(model) == 79_510 - 1_010


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_mlp_is_what_its_formula_says(activation: str) -> None:
    model = build(mlp(7, 5, activation=activation)).double()
    x = images().double()
    weights = dict(model.named_parameters())
    expected = x.reshape(3, 784)
    for name in ("hidden1", "hidden2"):
        expected = ACTIVATIONS[activation](expected @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])
    expected = expected @ weights["output.weight"].T + weights["output.bias"]
    assert list(weights) == [f"{n}.{p}" for n in ("hidden1", "hidden2", "output") for p in ("weight", "bias")]
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("config", [mlp(4), cnn(2)])
def test_an_unknown_kind_is_never_built_as_another(config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="unknown model 'transformer'"):
        build(config.model_copy(update={"kind": "transformer"}))


def test_shapes_within_a_cnn() -> None:
    shapes = {}
    x = images()
    for name, module in build(cnn(3, 5, 7, 9)).named_children():
        x = module(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes == {
        "conv1": (3, 28, 28),
        "activation1": (3, 28, 28),
        "pool1": (3, 14, 14),
        "conv2": (5, 14, 14),
        "activation2": (5, 14, 14),
        "pool2": (5, 7, 7),
        "conv3": (7, 7, 7),
        "activation3": (7, 7, 7),
        "pool3": (7, 3, 3),
        "conv4": (9, 3, 3),
        "activation4": (9, 3, 3),
        "pool4": (9, 1, 1),
        "flatten": (9,),
        "output": (10,),
    }


def test_initial_weights_are_pytorchs_own() -> None:
    model = build(mlp(6), seed=5)
    seed = torch.randint(2**62, (), generator=torch.Generator().manual_seed(5)).item()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = [*nn.Linear(784, 6).parameters(), *nn.Linear(6, 10).parameters()]
    for ours, theirs in zip(model.parameters(), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_initial_weights_depend_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = build(cnn(2)).state_dict()
    torch.manual_seed(2)
    again, other = build(cnn(2)).state_dict(), build(cnn(2), seed=1).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not any(torch.equal(other[name], tensor) for name, tensor in first.items())


@pytest.mark.parametrize("config", [mlp(4), cnn(2)])
def test_building_leaves_every_global_random_state_alone(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded: list[object] = []
    # What torch.manual_seed would do to the GPUs of a machine that has some.
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.get_rng_state()
    build(config)
    assert torch.equal(torch.get_rng_state(), before)
    assert seeded == []


def test_standardisation_comes_first_and_has_no_parameters() -> None:
    plain = build(mlp(7))
    model = build_model(mlp(7), (1, 28, 28), 10, torch.Generator().manual_seed(0), Standardize(0.25, 0.5))
    assert count_parameters(model) == count_parameters(plain)
    torch.testing.assert_close(model(images()), plain((images() - 0.25) / 0.5))
    assert [name for name, _ in model.named_children()][:2] == ["standardize", "flatten"]
    assert "mean=0.25, std=0.5" in repr(model)


def test_maps_of_one_pixel_are_not_pooled() -> None:
    model = build_model(cnn(2, 3, 4, 5), (3, 9, 5), 7, torch.Generator())
    shapes = [tuple(model[:i](torch.rand(2, 3, 9, 5)).shape[1:]) for i in (3, 6, 8, 10)]
    assert shapes == [(2, 4, 2), (3, 2, 1), (4, 2, 1), (5, 2, 1)]


LIBRARIES = {
    "resnet": {},
    "torchvision:resnet18": {},
    "torchvision:mobilenet_v3_small": {"dropout": 0.0},
    "timm:efficientnet_lite0": {},  # whose BatchNorm brings its activation
}


@pytest.mark.parametrize("kind", LIBRARIES)
def test_a_sample_s_logits_in_training_are_its_own(kind: str) -> None:
    if kind.startswith("timm"):
        pytest.importorskip("timm")
    shape = (1, 32, 32)
    model = build_model(network(kind, **LIBRARIES[kind]), shape, 7, torch.Generator().manual_seed(0))
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(1))
    assert model.training
    assert not [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    together, alone = model(x), torch.cat([model(x[:1]), model(x[1:])])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-4)
    assert together.shape == (3, 7)
    assert float(together.detach().std()) > 0


def test_group_norm_for_batch_norm_keeps_scale_shift_and_what_comes_after() -> None:
    before = nn.Sequential(nn.BatchNorm1d(6), nn.Sequential(nn.BatchNorm2d(64, affine=False, eps=0.1)))
    nn.init.zeros_(before[0].weight)
    after = _libraries.with_group_norm(before)
    first, second = after[0], after[1][0]
    assert isinstance(first, nn.GroupNorm)
    assert isinstance(second, nn.GroupNorm)
    assert (first.num_groups, float(first.weight.detach().abs().sum())) == (1, 0.0)
    assert (second.num_groups, second.affine, second.eps) == (16, False, 0.1)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (("torchvision:resnet81", {}), "no classifier 'resnet81'; did you mean 'resnet18'?"),
        (("torchvision:resnet18", {"weights": "DEFAULT"}), "weights: the weights come from the run's seed"),
        (("torchvision:resnet18", {"widths": 3}), "unexpected keyword argument 'widths'"),
    ],
)
def test_what_a_library_does_not_have_is_refused(config: tuple[str, dict[str, object]], fault: str) -> None:
    with pytest.raises((ValueError, UserError), match=fault.replace("?", r"\?")):
        build_model(network(config[0], **config[1]), (3, 32, 32), 7, torch.Generator())


def test_another_normalisation_over_the_batch_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Sequential(nn.InstanceNorm2d(3, track_running_stats=True)))
    with pytest.raises(ValueError, match=r"InstanceNorm2d '0\.0' normalizes over the batch"):
        _libraries.with_group_norm(model)
