"""The table of places in docs/architecture.md: a new thing is one file, which a config names."""

import sys
from pathlib import Path

import pytest

import dba_cli
from dba_cli.method import METRICS, ORDERS, RULES

ROOT = Path(__file__).parents[1]
CALLS = "calls = 0\n\ndef count():\n    global calls\n    calls += 1\n\n"

# What is added: the module, the values that name it in a config, and the optimizer entry that uses it.
THINGS = {
    "metric": (
        """
from dba_cli import register_metric

@register_metric("stderr", larger_is_better=False)
def stderr(s):
    count()
    return s.variance / s.size
""",
        {"optimizers.dba.metric": "{module}:stderr"},
        "dba",
    ),
    "order": (
        """
from dba_cli import register_order

@register_order("small_first")
def small_first(square_norms, projections):
    count()
    return -square_norms
""",
        {"optimizers.dba.order": "{module}:small_first"},
        "dba",
    ),
    "rule": (
        """
from dba_cli import register_rule

@register_rule("largest_half")
def largest_half(problem):
    count()
    norms = problem.square_norms
    chosen = norms >= norms.median(-1, keepdim=True).values
    return chosen / chosen.sum(-1, keepdim=True)
""",
        {"optimizers.dba.rule": "{module}:largest_half"},
        "dba",
    ),
    "peer by loss": (
        """
from dba_cli import register_rule

@register_rule("hardest")
def hardest(problem):
    count()
    chosen = problem.losses >= problem.losses.median()
    return (chosen / chosen.sum()).expand(len(problem.layers), -1)
""",
        {"optimizers.dba.rule": "{module}:hardest"},
        "dba",
    ),
    "optimizer": (
        """
import torch

class Signs(torch.optim.Optimizer):
    def __init__(self, params, lr: float = 0.001):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        count()
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * weight.grad.sign()
""",
        {"optimizers": [{"name": "signs", "kind": "{module}:Signs", "lr": 0.01}]},
        "signs",
    ),
    "model": (
        """
from torch import nn

class Wide(nn.Sequential):
    def __init__(self, image_shape, classes, units: int = 5):
        channels, height, width = image_shape
        pixels = channels * height * width
        super().__init__(nn.Flatten(), nn.Linear(pixels, units), nn.ReLU(), nn.Linear(units, classes))

    def forward(self, images):
        count()
        return super().forward(images)
""",
        {"model": {"kind": "{module}:Wide", "units": 7}},
        "dba",
    ),
    "sampler": (
        """
import torch
from torch import nn

from dba_cli import register_sampler
from dba_cli.method import OuterProducts, trainable

class Scores(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)

    def forward(self, x):
        return x @ self.weight.T

@register_sampler(Scores)
def scores(call, gradient):
    count()
    return OuterProducts(gradient.unsqueeze(1), call.input.unsqueeze(1), trainable(call.module.weight), None)

def network(image_shape, classes):
    return nn.Sequential(nn.Flatten(), Scores(28 * 28, classes))
""",
        {"model": {"kind": "{module}:network"}},
        "dba",
    ),
}


def placed(value: object, module: str) -> object:
    """Return the value with the module's name put in."""
    if isinstance(value, dict):
        return {key: placed(each, module) for key, each in value.items()}
    if isinstance(value, list):
        return [placed(each, module) for each in value]
    return value.replace("{module}", module) if isinstance(value, str) else value


@pytest.mark.parametrize("thing", THINGS)
def test_one_file_adds_a(thing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, values, optimizer = THINGS[thing]
    module = "own_" + thing.replace(" ", "_")
    (tmp_path / f"{module}.py").write_text(CALLS + source)
    monkeypatch.syspath_prepend(tmp_path)
    for table in (METRICS, ORDERS, RULES):  # other tests go through all that is in them
        monkeypatch.setattr(table, "_entries", dict(table._entries))
    length = {"epochs": None, "steps": 3, "evaluation": {"epochs": None, "steps": 3}}
    done = dba_cli.run(
        ROOT / "configs/smoke.yaml",
        overrides={"data.source": "embedded", "training": length, **placed(values, module)},
        optimizers=[optimizer],
        seeds=[0],
        results=tmp_path / "results",
    )
    assert list(done["status"]) == ["finished"], done
    assert sys.modules[module].calls > 0
    assert optimizer in set(dba_cli.compare("smoke", results=tmp_path / "results")["optimizer"])
