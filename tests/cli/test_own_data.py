"""Data of one's own through the commands: from a folder to a table, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CONFIG = """
experiment: {name: own}
data: {dataset: folder, path: photos, draw: {fraction: 1.0}, holdout: 0.25, noise: {kind: pair, rate: 0.25}}
model: {kind: cnn, channels: [4]}
training: {steps: 2, batch_size: 8, trace: true, evaluation: {steps: 1}}
optimizers:
  - {name: sgd, kind: sgd, lr: 0.1}
  - {name: dba, kind: dba, base: {kind: sgd, lr: 0.1}}
seeds: 0-1
"""


def record(optimizer: str, seed: int = 0, name: str = "own") -> Any:
    return json.loads(Path("results", name, optimizer, f"seed-{seed}", "result.json").read_text())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve coloured images, wider than high, of three classes."""
    noise = np.random.default_rng(0)
    for name in ("ant", "bee", "cow"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(4):
            pixels = noise.integers(0, 256, (7, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    (tmp_path / "own.yaml").write_text(CONFIG)
    return tmp_path / "photos"


def test_from_a_folder_to_a_table_and_pictures(dba: Callable[..., Any], photos: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    inspected = dba("inspect", "own.yaml", "--data", ".")
    assert "4 x 3 x 3 x 3" in inspected.out, inspected
    assert "runs: 4 to do, 0 done" in inspected.out
    assert dba("run", "own.yaml", "--data", ".").code == 0
    data = record("dba")["data"]
    assert (data["source"], data["title"], data["n_train"], data["n_test"]) == ("own", "photos", 9, 3)
    assert data["labels_sha256"] == record("sgd")["data"]["labels_sha256"]
    assert data["labels_sha256"] != record("sgd", 1)["data"]["labels_sha256"]
    assert record("dba")["config"]["data"]["sha256"] == data["sha256"]
    shown = " ".join(dba("compare").out.split())
    assert "full training set, 25 % pair label noise, hold-outs of 25 %" in shown
    assert "Data: photos, 3 test images" in shown
    assert "runs: 0 to do, 4 done" in dba("inspect", "own.yaml", "--data", ".").out
    kinds = [text for kind in ("drawn", "chosen", "confusion", "disagreements") for text in ("--kind", kind)]
    made = dba("plot", "own", "--data", ".", "-f", "png", *kinds)
    assert made.code == 0, made
    for kind in ("drawn-seed-0", "chosen-dba-seed-0", "confusion", "disagreements-dba-sgd-seed-0"):
        assert f"own-{kind}.png" in made.out, made
    # A run's own config is enough, wherever the folder is.
    shutil.move(photos, photos.parent / "moved")
    again = ["results/own/dba/seed-0/config.yaml", "--set", "data.path=moved", "--data", "."]
    assert "already there" in dba("run", *again).out
    assert {(photos.parent / "moved" / path.relative_to(photos)): old for path, old in before.items()} == {
        path: path.read_bytes() for path in (photos.parent / "moved").rglob("*") if path.is_file()
    }


def test_nothing_is_written_into_the_data(dba: Callable[..., Any], photos: Path) -> None:
    line = dba("run", "own.yaml", "--data", ".", "--results", "photos/r").refused()
    assert line.startswith("photos/r: lies in photos, in which nothing is written")
    assert not (photos / "r").exists()


def test_changed_data_does_not_go_on_under_an_old_name(dba: Callable[..., Any], photos: Path) -> None:
    assert dba("run", "own.yaml", "--data", ".", "--seed", "0").code == 0
    old = Path("results/own/dba/seed-0/config.yaml").read_text()
    (photos / "ant" / "0.png").write_bytes((photos / "bee" / "0.png").read_bytes())
    line = dba("run", "own.yaml", "--data", ".", "--seed", "0").refused()
    assert "holds a finished run of another config (data.sha256: " in line
    Path("old.yaml").write_text(old)
    assert "its content is not that of before" in dba("run", "old.yaml", "--data", ".").refused()
    assert "2 finished runs are of another config" in dba("inspect", "own.yaml", "--data", ".").out
    missing = dba("plot", "own", "--data", ".", "--kind", "drawn").refused()
    assert "its content is not that of before" in missing


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "data.holdout=null"], "photos has no test part: give data.holdout"),
        (["--set", "data.path=photo"], "photo: no such folder or file; did you mean 'photos'"),
        (["--set", "data.path=photos/ant"], "no sub-folders"),
        (
            ["--set", "data.dataset=csv", "--set", "data.target=t"],
            "a folder of images: give dataset: folder",
        ),
        (["--set", "data.source=official"], "folder is your own data: leave the source out"),
    ],
)
def test_what_is_refused_leaves_nothing(
    dba: Callable[..., Any], photos: Path, options: list[str], said: str
) -> None:
    assert said in dba("run", "own.yaml", "--data", ".", *options).refused()
    assert not Path("results").exists()


def test_a_table_with_everything(dba: Callable[..., Any], photos: Path, tmp_path: Path) -> None:
    rows = "".join(f"{i},{'rgb'[i % 3]},{i % 2}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("a,b,t\n" + rows)
    sets = [
        "data={dataset: csv, path: t.csv, target: t, draw: {fraction: 0.5}, holdout: 0.2, standardize: true}",
        "model={kind: mlp, hidden: [4]}",
    ]
    options = [text for each in sets for text in ("--set", each)]
    assert dba("run", "own.yaml", "--data", ".", *options).code == 0
    assert record("dba")["data"]["n_train"] == 16
    assert "Data: t.csv, 8 test images" in " ".join(dba("compare").out.split())
    made = dba("plot", "own", "--data", ".", "-f", "png")
    assert "own-confusion.png" in made.out
    assert "the rows of t.csv are no pictures" in made.err
    line = dba("run", "own.yaml", "--data", ".", "--results", "other", *options, "--set", "model={kind: cnn}")
    assert "model cnn: rows of 4 features cannot be classified" in line.refused()
