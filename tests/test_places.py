"""The table of places in docs/architecture.md: a file for a thing that a config names, else three places."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dba_cli
from dba_cli.data import DATASETS
from dba_cli.losses import LOSSES
from dba_cli.method import METRICS, ORDERS, REMEMBERED, RULES

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
    "remembered quantity": (
        """
from dba_cli import register_remembered

@register_remembered("largest_entry")
def largest_entry(problem):
    count()
    return problem.square_norms.sqrt()
""",
        {"optimizers.dba.remember": "{module}:largest_entry", "optimizers.dba.rule": "two_groups"},
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
    "loss": (
        """
import torch
from torch import nn

from dba_cli import register_loss

@register_loss("absolute")
class Absolute(nn.Module):
    def __init__(self, classes, weight: float = 1.0):
        super().__init__()
        self.targets, self.weight = torch.eye(classes), weight

    def forward(self, network, images, labels, indices):
        count()
        return self.weight * (network(images).softmax(1) - self.targets[labels]).abs().sum(1)
""",
        {"optimizers.dba.loss": {"kind": "{module}:absolute", "weight": 0.5}},
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
    "dataset": (
        """
import numpy as np
from dba_cli import register_dataset

@register_dataset("patches", title="Patches")
def patches(data_dir):
    count()
    images = np.random.default_rng(0).integers(0, 256, (120, 3, 8, 8), dtype=np.uint8)
    labels = np.arange(120) % 4
    return images[:80], labels[:80], images[80:], labels[80:]
""",
        {"data": {"dataset": "{module}:patches", "draw": {"per_class": 10}}, "training.batch_size": 10},
        "dba",
    ),
    "sampler": (
        """
import torch
from torch import nn

from dba_cli import register_sampler
from dba_cli.method import OuterProducts

class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.T @ x

class Scores(nn.Linear):
    def forward(self, x):
        return Product.apply(x, self.weight)

@register_sampler("ProductBackward", saved=("saved_tensors",))
def scores(use):
    count()
    x, _ = use.saved["saved_tensors"]
    return [OuterProducts(use.split(use.gradient), use.split(x), use.parameters[1].tensor, None)]

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
    text, values, optimizer = THINGS[thing]
    module = "own_" + thing.replace(" ", "_")
    (tmp_path / f"{module}.py").write_text(CALLS + text)
    monkeypatch.syspath_prepend(tmp_path)
    # Other tests go through all that is in them.
    for table in (METRICS, ORDERS, REMEMBERED, RULES, DATASETS, LOSSES):
        monkeypatch.setattr(table, "_entries", dict(table._entries))
    source = "auto" if thing == "dataset" else "embedded"
    length = {"epochs": None, "steps": 3, "evaluation": {"epochs": None, "steps": 3}}
    done = dba_cli.run(
        ROOT / "configs/smoke.yaml",
        overrides={"data.source": source, "training": length, **placed(values, module)},
        optimizers=[optimizer],
        seeds=[0],
        results=tmp_path / "results",
    )
    assert list(done["status"]) == ["finished"], done
    assert sys.modules[module].calls > 0
    assert optimizer in set(dba_cli.compare("smoke", results=tmp_path / "results")["optimizer"])


# What is no file of one's own: before and after, in the files of the package.
FIGURE = {
    "records/_evaluation.py": ("    copies_errors: ", "    spread: float | None = None\n    copies_errors: "),
    "training/_trainer.py": (
        '"test_errors": errors,',
        '"test_errors": errors, "spread": logits.softmax(1).std().item(),',
    ),
    "comparison/_columns.py": (
        "_COLUMNS = (",
        "_COLUMNS = (Column('Spread (%)', 'Spread', lambda row: _estimate(row.mean('spread'), 2)),",
    ),
}
OPTION = {
    "cli/_options.py": (
        "    quiet: Annotated[",
        "    label: Annotated[str, typer.Option(help='A word.')] = 'none',\n    quiet: Annotated[",
    ),
    "experiments/_plan.py": (
        "    tensorboard: bool = False",
        "    tensorboard: bool = False\n    label: str = ''",
    ),
    "experiments/_worker.py": (
        "    assert record is not None\n",
        "    assert record is not None\n    (run.folder.path / settings.label).touch()\n",
    ),
}
TINY = """
experiment: {name: tiny}
data: {source: embedded, draw: {per_class: 2}}
model: {kind: mlp, hidden: [4]}
training: {steps: 2, batch_size: 10}
optimizers: [{name: sgd, kind: sgd, lr: 0.1}]
seeds: [0, 1]
"""


def changed(places: dict[str, tuple[str, str]], folder: Path) -> Callable[..., str]:
    """Return the command of a copy of the package that is changed in at most three places."""
    assert len(places) <= 3
    package = folder / "dba_cli"
    shutil.copytree(ROOT / "dba_cli", package)
    for place, (before, after) in places.items():
        text = (package / place).read_text("utf-8")
        assert text.count(before) == 1, place
        (package / place).write_text(text.replace(before, after), "utf-8")
    (folder / "tiny.yaml").write_text(TINY)

    def dba(*arguments: str) -> str:
        command = [sys.executable, "-m", "dba_cli", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return dba


def test_a_figure_is_in_every_file_and_table(tmp_path: Path) -> None:
    dba = changed(FIGURE, tmp_path)
    dba("run", "tiny.yaml", "--quiet")
    with (tmp_path / "results/tiny/sgd/seed-1/history.csv").open(newline="") as file:
        recorded = float(list(csv.DictReader(file))[-1]["spread"])
    assert recorded > 0
    assert f"spread {recorded:.6g}" in " ".join(dba("inspect", "results/tiny/sgd/seed-1").split())
    assert "Spread (%)" in dba("compare", "--format", "markdown")
    (row,) = csv.DictReader(dba("compare", "--format", "csv").splitlines())
    assert float(row["spread"]) > 0
    assert float(row["spread_ci95"]) > 0


TRACKER = """
from dba_cli import Tracker

class Lines(Tracker):
    title, package = "Lines", "json"

    def open(self, history):
        self.lines = [self.experiment, self.name, self.settings["optimizer.lr"]]

    def log(self, step, figures):
        self.lines.append((step, round(figures["accuracy/test"], 2)))

    def close(self, status):
        (self.folder / "lines").write_text(repr([*self.lines, status]))
"""


def test_one_file_adds_a_tracker(tmp_path: Path) -> None:
    (tmp_path / "own_tracker.py").write_text(TRACKER)
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = [sys.executable, "-m", "dba_cli", "run", "tiny.yaml", "--tracker", "own_tracker:Lines", "-q"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for seed in (0, 1):
        experiment, name, lr, first, *_, status = eval(
            (tmp_path / f"results/tiny/sgd/seed-{seed}/lines").read_text()
        )
        assert (experiment, name, lr, first[0], status) == ("tiny", f"sgd seed {seed}", 0.1, 0, "finished")


def test_an_option_reaches_the_workers_of_run_and_sweep(tmp_path: Path) -> None:
    dba = changed(OPTION, tmp_path)
    assert "--label" in dba("run", "--help")
    dba("run", "tiny.yaml", "--label", "one", "--jobs", "2", "--quiet")
    dba("sweep", "tiny.yaml", "--grid", "optimizers.sgd.lr=0.1", "--label", "two", "--quiet")
    assert len(list(tmp_path.glob("results/tiny/sgd/seed-*/one"))) == 2
    assert len(list(tmp_path.glob("results/tiny_sweep/*/sgd/seed-*/two"))) == 2
