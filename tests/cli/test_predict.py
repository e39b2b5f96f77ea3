"""A finished run's network in a file, and what it predicts."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import dba_cli
from dba_cli.experiments import read_network

RUN = Path("results/tiny/dba/seed-0")
KEPT = ["--set", "training.save_weights=true", "--set", "training.trace=true"]
KEPT += ["--set", "data.standardize=true"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "results"


@pytest.fixture
def ran(dba, config, kept):
    """A run that kept its network; made once and copied for each test."""
    if not kept.exists():
        assert dba("run", config, *KEPT, "--optimizer", "dba", "--seed", 0, "--quiet").code == 0
        shutil.copytree("results", kept)
    else:
        shutil.copytree(kept, "results")
    return dba


def rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_the_runs_own_data_are_predicted_as_the_run_did(ran):
    done = ran("predict", RUN)
    assert done.code == 0, done.err
    found = rows("predictions.csv")
    with np.load(RUN / "predictions.npz") as archive:
        assert [int(row["predicted"]) for row in found] == archive["predicted"].tolist()
    right = sum(row["predicted"] == row["label"] for row in found) / len(found)
    assert done.out == f"predictions.csv: 4,000 predictions, {right:.2%} right\n"


def test_images_with_labels_without_and_as_an_archive(ran, tmp_path):
    network = read_network(RUN / "weights.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    with torch.no_grad():  # by hand: the network on what is in the files
        wanted = network.model(torch.from_numpy(pixels)[:, None].float() / 255).argmax(1).tolist()
    for i, image in enumerate(pixels):
        for folder in ("flat", f"sorted/{i // 2}"):
            (tmp_path / folder).mkdir(exist_ok=True, parents=True)
            Image.fromarray(image).save(tmp_path / folder / f"={i}.png")
    np.savez(tmp_path / "some.npz", x=pixels, y=np.arange(6) // 2)
    for data in ("flat", "sorted", "some.npz"):
        assert ran("predict", RUN, data, "--output", "out.csv").code == 0
        found = rows("out.csv")
        assert [int(row["predicted"]) for row in found] == wanted
        assert ("label" in found[0]) == (data != "flat")
    assert rows("out.csv")[0]["sample"] == "x[0]"
    ran("predict", RUN, "flat", "--output", "out.csv")
    assert rows("out.csv")[0]["sample"] == "'=0.png"  # no formula in a spreadsheet
    shutil.copy(RUN / "weights.safetensors", "alone.safetensors")
    assert dba_cli.predict("alone.safetensors", "flat")["predicted"].astype(int).tolist() == wanted


def test_refusals(ran, dba, config, tmp_path):
    four = np.arange(4) % 2
    np.savez(tmp_path / "small.npz", x=np.zeros((4, 8, 8), np.uint8), y=four)
    assert "1 x 8 x 8, and the network of" in ran("predict", RUN, "small.npz").refused()
    np.savez(tmp_path / "floats.npz", x=np.full((4, 28, 28), 0.5), y=four)
    assert "give bytes" in ran("predict", RUN, "floats.npz").refused()
    assert "no finished run" in ran("predict", "results/tiny").refused()
    assert "no such" in ran("predict", RUN, "nowhere").refused().lower()
    (tmp_path / "empty").mkdir()
    assert "no images" in ran("predict", RUN, "empty").refused()
    for data, output in (("empty", "empty/out.csv"), ("small.npz", "small.npz")):
        assert "in which nothing is written" in ran("predict", RUN, data, "--output", output).refused()
    content = (RUN / "weights.safetensors").read_bytes()
    for length in (*range(0, 60, 7), len(content) // 2, len(content) - 1):
        Path("cut.safetensors").write_bytes(content[:length])
        assert ran("predict", "cut.safetensors").refused().startswith("cut.safetensors: no usable weights")
    (RUN / "weights.safetensors").write_bytes(content[:-1] + b"\0")
    assert "weights.safetensors: damaged record: is not what the run wrote" in ran("compare").refused()
    assert not Path("predictions.csv").exists()
    changed = dba("run", config, "--optimizer", "dba", "--seed", 0, *KEPT[:1], "training.save_weights=false")
    assert changed.code == 2
