"""A dataset from one file outside the package, through the command a person types."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dba_cli.data import DATASETS
from dba_cli.records import read_predictions

MODULE = """
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


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The config of a dataset of (3, 8, 8) images in four classes, whose module can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_images.py").write_text(MODULE)
    config = tmp_path / "own.yaml"
    config.write_text(CONFIG)
    yield config
    for name in [name for name in DATASETS if name == "patches"]:
        del DATASETS._entries[name]
    sys.modules.pop("own_images", None)


@pytest.mark.parametrize(
    ("model", "parameters"), [("{kind: mlp}", 192 * 100 + 100 + 404), ("{kind: cnn}", 448 + 4640 + 516)]
)
def test_it_is_trained_recorded_and_compared(dba, own, tmp_path, model, parameters):
    assert dba("run", own, "--set", f"model={model}").code == 0
    for optimizer in ("sgd", "dba"):
        record = json.loads((tmp_path / f"results/own/{optimizer}/seed-0/result.json").read_text())
        assert (record["status"], record["parameters"]) == ("finished", parameters)
        assert (record["data"]["dataset"], record["data"]["title"]) == (
            "own_images:patches",
            "Coloured patches",
        )
        assert (record["data"]["n_train"], record["data"]["n_test"]) == (40, 40)
    table = dba("compare", "own").out
    assert "Data: Coloured patches, 40 test images" in " ".join(table.split())
    plotted = dba("plot", "own", "--kind", "drawn", "--kind", "choices", "--kind", "disagreements")
    assert plotted.code == 0, plotted
    assert "own_images:patches" in dba("inspect", own, "--no-time").out


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("data.preprocessing=deskew", "deskew is for grey images of strokes"),
        ("training.deformation.thickness=1", "thickness is for grey images of strokes"),
        ("data.source=embedded", "only mnist has an embedded sample"),
        ("data.draw={per_class: 21}", "class 0 has only 20 in this training set: use 20 or less"),
        ("data.dataset=own_images:patch", "unknown dataset 'patch'; did you mean 'patches'"),
        ("data.dataset=not_there:patches", "its module cannot be imported"),
    ],
)
def test_what_does_not_apply_is_refused(dba, own, key, reason):
    assert reason in dba("run", own, "--set", key).refused()


def test_there_are_no_files_to_look_after(dba, own):
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
