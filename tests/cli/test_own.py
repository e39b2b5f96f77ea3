"""A dataset, an optimizer and a network, each from one file outside the package, through the commands."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dba_cli.data import DATASETS
from dba_cli.models import MODELS
from dba_cli.records import read_predictions

DATASET = """
import numpy as np
from dba_cli import register_dataset

@register_dataset("patches", title="Coloured patches")
def patches(data_dir):
    noise = np.random.default_rng(0)
    def split(n):
        labels = np.arange(n) % 4
        images = noise.integers(0, 100, (n, 3, 8, 8), dtype=np.uint8)
        for image, label in zip(images, labels):
            image[label % 3, 4 * (label // 3) :] += 100
        return images, labels
    return *split(80), *split(40)
"""

CONFIG = """
experiment: {name: own}
data: {dataset: own_images:patches, draw: {fraction: 0.5}, standardize: true}
model: {kind: mlp, hidden: [8]}
training:
  {steps: 2, batch_size: 10, trace: true, evaluation: {steps: 1}, deformation: {rotation: 10, elastic: 1}}
optimizers:
  - {name: sgd, kind: sgd, lr: 0.1}
  - {name: dba, kind: dba, base: {kind: sgd, lr: 0.1}}
seeds: [0]
"""

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
import math

import torch
from torch import nn

from dba_cli.models import register_model


class Small(nn.Sequential):
    \"\"\"Of PyTorch's own weights, which must be of the run's seed.\"\"\"

    def __init__(self, image_shape, classes, units: int = 6):
        pixels = math.prod(image_shape)
        super().__init__(nn.Flatten(), nn.Linear(pixels, units), nn.ReLU(), nn.Linear(units, classes))


@register_model("thin")
def thin(classes: int, generator: torch.Generator, scale=0.1):
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
    model(torch.zeros(1, 1, 28, 28))
    nn.init.normal_(model[1].weight, std=scale, generator=generator)
    return model


class Normed(nn.Sequential):
    def __init__(self, classes, frozen: bool = False):
        super().__init__(
            nn.Flatten(),
            nn.BatchNorm1d(784, affine=False),  # of the pixels: no gradient goes through it
            nn.Linear(784, 4),
            nn.BatchNorm1d(4),
            nn.Linear(4, classes),
        )
        self.frozen = frozen

    def train(self, mode=True):
        super().train(mode)
        if getattr(self, "frozen", False):
            self[3].eval()
        return self
"""


def record(optimizer: str, seed: int = 0) -> Any:
    return json.loads(Path("results/own", optimizer, f"seed-{seed}", "result.json").read_text())


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The config of a dataset of (3, 8, 8) images in four classes, in a folder of modules to import."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = {"own_images": DATASET, "my_optimizer": OPTIMIZER, "my_network": NETWORK}
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    for table in (DATASETS, MODELS):
        monkeypatch.setattr(table, "_entries", dict(table._entries))
    config = tmp_path / "own.yaml"
    config.write_text(CONFIG)
    yield config
    for name in modules:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("model", "parameters"), [("{kind: mlp}", 192 * 100 + 100 + 404), ("{kind: cnn}", 448 + 4640 + 516)]
)
def test_a_dataset_of_ones_own(dba, own, model, parameters):
    assert dba("run", own, "--set", f"model={model}").code == 0
    for found in (record("sgd"), record("dba")):
        assert (found["status"], found["parameters"]) == ("finished", parameters)
        data = [found["data"][key] for key in ("dataset", "title", "n_train", "n_test")]
        assert data == ["own_images:patches", "Coloured patches", 40, 40]
    table = dba("compare", "own").out
    assert "Data: Coloured patches, 40 test images" in " ".join(table.split())
    plotted = dba("plot", "own", "--kind", "drawn", "--kind", "choices", "--kind", "disagreements")
    assert plotted.code == 0, plotted
    assert "own_images:patches" in dba("inspect", own, "--no-time").out
    # Its content is part of the run's identity.
    digest = found["config"]["data"]["sha256"]
    assert digest == found["data"]["sha256"]
    (own.parent / "own_images.py").write_text(DATASET.replace("100, (n", "99, (n"))
    del sys.modules["own_images"], DATASETS._entries["patches"]
    assert "(data.sha256: " in dba("run", own, "--set", f"model={model}").refused()
    changed = dba("run", "results/own/dba/seed-0/config.yaml").refused()
    assert changed.startswith("own_images:patches: its content is not that of before")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("data.preprocessing=deskew", "deskew is for grey images of strokes"),
        ("training.deformation.thickness=1", "thickness is for grey images of strokes"),
        ("data.source=embedded", "only mnist and digits have embedded images"),
        ("data.draw={per_class: 21}", "class 0 has only 20 in this training set: use 20 or less"),
        ("data.dataset=own_images:patch", "unknown dataset 'patch'; did you mean 'patches'"),
        ("data.dataset=not_there:patches", "its module cannot be imported"),
    ],
)
def test_what_does_not_apply_to_the_dataset_is_refused(dba, own, key, reason):
    assert reason in dba("run", own, "--set", key).refused()


def test_a_dataset_of_ones_own_has_no_files_to_look_after(dba, own):
    for command in ("status", "verify"):
        assert "there are no official files" in dba("data", command, "--dataset", "own_images:patches").out
    assert "no official files" in dba("data", "fetch", "--dataset", "own_images:patches").refused()


ZEROS = "np.zeros((4, 3, 8, 8), np.uint8)"


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("1 / 0", "its function failed (ZeroDivisionError: division by zero)"),
        ("throw(data_dir)", "not in "),
        ("None", "not four"),
        (f"({ZEROS}, [0] * 4), ({ZEROS}, [0] * 4)", "not four"),
        (f"{ZEROS}[0, 0], [0] * 8, {ZEROS}, [0] * 4", "images of shape (8, 8): not (n, height, width)"),
        (f"{ZEROS} - 0.5, [0] * 4, {ZEROS}, [0] * 4", "uint8, or floats from 0 to 1"),
        (f"{ZEROS} * np.nan, [0] * 4, {ZEROS}, [0] * 4", "uint8, or floats from 0 to 1"),
        (f"{ZEROS}, [0] * 4, {ZEROS}[:, :1], [0] * 4", "differ in shape or type"),
        (f"{ZEROS}, [0] * 3, {ZEROS}, [0] * 4", "labels must be 4 whole numbers"),
        (f"{ZEROS}, [0.0] * 4, {ZEROS}, [0] * 4", "labels must be 4 whole numbers"),
        (f"{ZEROS}, [1] * 4, {ZEROS}, [1] * 4", "class 0 has no training image"),
        (f"{ZEROS}, [0] * 4, {ZEROS}, [1] * 4", "class 1 has no training image"),
    ],
)
def test_what_the_function_must_return(dba, own, tmp_path, returned, reason):
    (tmp_path / "own_images.py").write_text(
        "import numpy as np\nfrom dba_cli import UserError, register_dataset\n"
        "def throw(folder):\n    raise UserError(f'not in {folder}')\n"
        f'@register_dataset("patches")\ndef patches(data_dir):\n    return {returned}\n'
    )
    assert reason in dba("run", own).refused()


def test_more_classes_than_a_byte_holds(dba, own, tmp_path):
    (tmp_path / "own_images.py").write_text(
        "import numpy as np\nfrom dba_cli import register_dataset\n"
        '@register_dataset("patches")\ndef patches(data_dir):\n'
        "    labels = np.arange(300)\n    images = np.random.default_rng(0).random((300, 2, 3))\n"
        "    return images, labels, images, labels\n"
    )
    assert dba("run", own, "--set", "training.steps=200", "--optimizer", "sgd").code == 0
    predicted = read_predictions(tmp_path / "results/own/sgd/seed-0/predictions.npz")
    assert (predicted.dtype.name, predicted.shape) == ("uint16", (300,))
    assert predicted.max() >= 256


def test_an_optimizer_of_ones_own(dba, own):
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
        ("{kind: 'my_network:Small', units: 3}", 784 * 3 + 3 + 3 * 10 + 10),
        ("{kind: 'my_network:thin', scale: 0.5}", 7850),
    ],
)
def test_a_network_of_ones_own(dba, own, model, parameters):
    own.write_text(
        HEAD
        + f"model: {model}\n"
        + "optimizers:\n"
        + "  - {name: sgd, kind: sgd, lr: 0.1}\n"
        + "  - {name: dba, kind: dba, base: {kind: sgd, lr: 0.1}}\n"
    )
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


def test_samples_that_a_network_couples_are_refused_before_anything_is_written(dba, own):
    own.write_text(
        HEAD
        + "model: {kind: 'my_network:Normed'}\n"
        + "optimizers:\n"
        + "  - {name: sgd, kind: sgd, lr: 0.1}\n"
        + "  - {name: dba, kind: dba, base: {kind: sgd, lr: 0.1}}\n"
    )
    said = dba("run", own).refused()
    assert said.startswith("own: optimizer dba: model my_network:Normed: modules ")
    assert all(part in said for part in ("'3' (BatchNorm1d)", "nn.GroupNorm", ".eval()"))
    assert not Path("results").exists()
    assert dba("run", own, "--optimizer", "sgd", "--seed", 0).code == 0
    assert dba("run", own, "--set", "model.frozen=true", "--overwrite", "--seed", 0).code == 0


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        ("torch.nn:Flatten", "sgd", "model torch.nn:Flatten: 2 images give (2, 784), not the logits (2, 10)"),
        ("mlp", "Muon", "own: optimizer opt: Muon cannot be made: Muon only supports 2D parameters"),
    ],
)
def test_what_does_not_fit_together_is_refused(dba, own, model, kind, said):
    own.write_text(HEAD + f"model: {{kind: '{model}'}}\noptimizers: [{{name: opt, kind: {kind}}}]\n")
    assert dba("run", own, "--set", "optimizers.opt.lr=0.1").refused().startswith(said)
    assert not Path("results/own").exists()
