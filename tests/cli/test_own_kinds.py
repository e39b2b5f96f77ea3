"""An optimizer and a network, each from one file outside the package: trained, recorded and compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

HEAD = """
experiment: {name: own}
data: {source: embedded, draw: {per_class: 2}}
training: {steps: 2, batch_size: 10, evaluation: {steps: 2}}
seeds: 0-1
"""

OPTIMIZER = """
import torch


class SignDescent(torch.optim.Optimizer):
    \"\"\"Steps of one length, against each gradient's sign.\"\"\"

    def __init__(self, weights, lr: float = 0.01, decay=0.0):
        super().__init__(weights, {"lr": lr, "decay": decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * (weight.grad.sign() + group["decay"] * weight)
"""

NETWORK = """
import torch
from torch import nn

from dba_cli.models import register_model


class Halves(nn.Module):
    \"\"\"The upper and the lower half of an image, through the same layer.\"\"\"

    def __init__(self, image_shape, classes, units: int = 6):
        super().__init__()
        channels, height, width = image_shape
        self.shared = nn.Linear(channels * height * width // 2, units)
        self.output = nn.Linear(2 * units, classes)

    def forward(self, images):
        halves = self.shared(images.flatten(1).unflatten(1, (2, -1)))
        return self.output(halves.relu().flatten(1))


@register_model("thin")
def thin(classes: int, generator: torch.Generator, scale=0.1):
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
    model(torch.zeros(1, 1, 28, 28))
    nn.init.normal_(model[1].weight, std=scale, generator=generator)
    return model
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_optimizer.py").write_text(OPTIMIZER)
    (tmp_path / "my_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "own.yaml"


def record(optimizer: str, seed: int = 0) -> Any:
    return json.loads(Path("results/own", optimizer, f"seed-{seed}", "result.json").read_text())


def test_an_optimizer_of_ones_own(dba: Callable[..., Any], own: Path) -> None:
    own.write_text(
        HEAD
        + "model: {kind: mlp, hidden: [4]}\n"
        + "optimizers:\n"
        + "  - {name: sign, kind: 'my_optimizer:SignDescent', lr: 0.02, decay: 0.5}\n"
        + "  - {name: chosen, kind: dba, base: {kind: 'my_optimizer:SignDescent'}}\n"
        + "  - {name: rms, kind: RMSprop, momentum: 0.5}\n"
    )
    assert dba("run", own).code == 0
    kinds = {name: record(name)["optimizer_kind"] for name in ("sign", "chosen", "rms")}
    assert kinds == {"sign": "my_optimizer:SignDescent", "chosen": "dba", "rms": "RMSprop"}
    assert len({record(name)["config_hash"] for name in kinds}) == 3
    table = dba("compare", "own").out
    assert all(name in table for name in kinds)
    assert "did you mean 'decay'?" in dba("run", own, "--set", "optimizers.sign.decai=1").refused()
    assert "decay" in dba("run", own, "--set", "optimizers.sign.decay=much").refused()


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("{kind: 'my_network:Halves', units: 3}", 392 * 3 + 3 + 6 * 10 + 10),
        ("{kind: 'my_network:thin', scale: 0.5}", 7850),
        ("{kind: 'torch.nn:Flatten'}", None),
    ],
)
def test_a_network_of_ones_own(
    dba: Callable[..., Any], own: Path, model: str, parameters: int | None
) -> None:
    own.write_text(
        HEAD
        + f"model: {model}\n"
        + "optimizers:\n"
        + "  - {name: sgd, kind: sgd, lr: 0.1}\n"
        + "  - {name: dba, kind: dba, base: {kind: sgd, lr: 0.1}}\n"
    )
    if parameters is None:
        line = dba("run", own).refused()
        assert line == "model torch.nn:Flatten: 2 images give (2, 784), not the logits (2, 10)"
        return
    torch.manual_seed(1)
    assert dba("run", own).code == 0
    first = [record(name, seed) for name in ("sgd", "dba") for seed in (0, 1)]
    assert {each["parameters"] for each in first} == {parameters}
    assert len({each["final"]["test_loss"] for each in first}) == 4
    assert "sgd" in dba("compare", "own").out
    torch.manual_seed(2)  # the weights depend on the run's seed alone
    assert dba("run", own, "--overwrite").code == 0
    again = [record(name, seed) for name in ("sgd", "dba") for seed in (0, 1)]
    assert [each["final"]["test_loss"] for each in again] == [each["final"]["test_loss"] for each in first]


def test_an_optimizer_that_cannot_take_the_networks_weights(dba: Callable[..., Any], own: Path) -> None:
    own.write_text(HEAD + "model: {kind: mlp, hidden: [4]}\noptimizers: [{name: muon, kind: Muon}]\n")
    line = dba("run", own).refused()
    assert line.startswith("own: optimizer muon: Muon cannot be made: Muon only supports 2D parameters")
    assert not Path("results/own").exists()
