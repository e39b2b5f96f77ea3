"""Data that nobody can learn from, through every command that reads it: one line, nothing is written."""

import io
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Answer

CONFIG = """
experiment: {name: bad}
data: {draw: {fraction: 1.0}, holdout: 0.25}
model: {kind: mlp, hidden: [4]}
training: {steps: 2, batch_size: 4, save_weights: true}
optimizers: [{name: sgd, kind: sgd, lr: 0.1}]
seeds: [0]
"""
NOISE = np.random.default_rng(0).integers(0, 256, (100, 8, 8), dtype=np.uint8)
LABELS = np.arange(6) % 2


def photos() -> Path:
    """A folder of two classes."""
    for i in range(6):
        Path(f"data/{'ab'[i % 2]}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(NOISE[i]).save(f"data/{'ab'[i % 2]}/{i}.png")
    return Path("data")


def one_class() -> None:
    shutil.rmtree(photos() / "b")


def unreadable() -> None:
    (photos() / "a" / "empty.png").touch()


def of_two_sizes() -> None:
    Image.fromarray(NOISE[0][:5]).save(photos() / "a" / "9.png")


def link_out() -> None:
    Image.fromarray(NOISE[0]).save("elsewhere.png")
    (photos() / "a" / "9.png").symlink_to("../../elsewhere.png")


def bomb() -> None:
    content = bytearray((photos() / "a" / "0.png").read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    Path("data/a/9.png").write_bytes(content)


def a_hundred_classes_of_one() -> None:
    for i in range(100):
        Path(f"data/{i}").mkdir(parents=True)
        Image.fromarray(NOISE[i]).save(f"data/{i}/0.png")


def labels_that_are_measured() -> None:
    np.savez("data.npz", x=NOISE[:6], y=LABELS + 0.5)


def pickled() -> None:
    np.savez("data.npz", x=np.array([{}] * 6, dtype=object), y=LABELS)


def header_that_lies() -> None:
    header = io.BytesIO()
    shape = (2**22, 32, 32)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    np.savez("small.npz", y=LABELS)
    with zipfile.ZipFile("small.npz") as small, zipfile.ZipFile("data.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(64))
        archive.writestr("y.npy", small.read("y.npy"))


def table(*targets: object) -> None:
    Path("data.csv").write_text("a,t\n" + "".join(f"{i},{target}\n" for i, target in enumerate(targets)))


BAD: dict[str, tuple[Callable[[], None], str]] = {
    "one class": (one_class, "all 3 samples are of class a: give at least two classes"),
    "an unreadable image": (unreadable, "data/a/empty.png: no readable image"),
    "images of two sizes": (of_two_sizes, "data/a/9.png: 8 x 5 pixels"),
    "a link out of the folder": (link_out, "data/a/9.png: a link out of the folder"),
    "a decompression bomb": (bomb, "data/a/9.png: too many pixels (a decompression bomb?)"),
    "a hundred classes of one sample": (a_hundred_classes_of_one, "fewer than two of each"),
    "labels that are measured": (labels_that_are_measured, "labels are whole numbers or texts"),
    "pickled arrays": (pickled, "x holds pickled objects"),
    "a header that lies": (header_that_lies, "of shape (4194304, 32, 32), 4,294,967,296 bytes, but the file"),
    "missing targets": (lambda: table("x", "", "y", "x", "y"), "t is missing in 1 of 5 rows"),
    "one distinct target": (lambda: table(*"xxxxx"), "all 5 samples are of class x"),
    "measured targets": (lambda: table(0.5, 1.5, 0.5, 1.5), "t holds numbers such as 0.5"),
}


@pytest.fixture
def trained(dba: Callable[..., Answer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a run, made once."""
    weights = tmp_path_factory.getbasetemp() / "bad" / "weights.safetensors"
    if not weights.exists():
        Path("bad.yaml").write_text(CONFIG.replace("holdout: 0.25", "dataset: digits"))
        assert dba("run", "bad.yaml", "--results", weights.parent / "r").code == 0
        (weights.parent / "r/bad/sgd/seed-0/weights.safetensors").rename(weights)
        Path("bad.yaml").unlink()
    return weights


@pytest.mark.parametrize("command", ["try", "audit", "run", "predict"])
@pytest.mark.parametrize("what", BAD)
def test_one_line_and_nothing_is_written(
    dba: Callable[..., Answer], trained: Path, what: str, command: str
) -> None:
    make, said = BAD[what]
    make()
    data = next(path for path in Path().iterdir() if path.stem == "data")
    target = ["--target", "t"] if data.suffix == ".csv" else []
    kind = data.suffix[1:] or "folder"
    Path("bad.yaml").write_text(CONFIG.replace("data: {", f"data: {{dataset: {kind}, path: {data}, "))
    sets = ["--set", "data.target=t"] if target else []
    arguments = {
        "try": ["try", data, *target, "--jobs", 1, "--results", "r"],
        "audit": ["audit", data, *target, "--results", "r"],
        "run": ["run", "bad.yaml", *sets, "--data", ".", "--results", "r"],
        "predict": ["predict", trained, data, "--output", "r.csv"],
    }[command]
    before = {path: path.lstat().st_mtime_ns for path in Path().rglob("*")}
    answer = dba(*arguments)
    line = answer.refused()
    assert ("the columns of a table are scaled" if command == "predict" and target else said) in line
    assert (answer.out, len(answer.err.splitlines())) == ("", 1)
    assert {path: path.lstat().st_mtime_ns for path in Path().rglob("*")} == before
