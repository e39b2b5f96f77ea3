"""One's own data, torchvision's and scikit-learn's, as a run loads them; and what is called official."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dba_cli.data import DATASETS, ImageData, fetch, import_torchvision, load
from dba_cli.errors import UserError


def loaded(dataset: str, data_dir: Path, source: Any = "auto", **own: str | None) -> ImageData:
    return load(dataset, source, data_dir, lambda line: None, **own)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).integers(0, 256, (12, 4, 5), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x[:8], y_train=np.arange(8) % 2, x_test=x[8:], y_test=[0, 1, 0, 1])
    (tmp_path / "d.csv").write_text("a,b,t\n" + "".join(f"{i},{i % 3},{'xy'[i % 2]}\n" for i in range(8)))
    return tmp_path


def test_data_of_ones_own(own: Path) -> None:
    images = loaded("npz", own, path="d.npz")
    assert (images.source, images.provenance, images.title, images.notice) == ("own", "own", "d.npz", None)
    assert (images.num_classes, images.official_size, images.image_shape) == (2, 8, (1, 4, 5))
    assert (images.classes, images.sources[3], len(images.test_labels)) == (("0", "1"), "x_train[3]", 4)
    table = loaded("csv", own / "elsewhere", path=str(own / "d.csv"), target="t")
    assert (table.is_table, table.image_shape, len(table.test_labels)) == (True, (2,), 0)
    assert (table.classes, table.name_of(1)) == (("x", "y"), "y")


def test_changed_data_is_refused_where_the_content_is_known(own: Path) -> None:
    known = loaded("npz", own, path="d.npz").sha256
    shutil.move(own / "d.npz", own / "e.npz")
    assert loaded("npz", own, path="e.npz", sha256=known).sha256 == known
    x = np.zeros((8, 4, 5), np.uint8)
    np.savez(own / "e.npz", x=x, y=np.arange(8) % 2)
    with pytest.raises(UserError, match=r"e.npz: its content is not that of before"):
        loaded("npz", own, path="e.npz", sha256=known)


@pytest.mark.parametrize(
    ("dataset", "source", "path", "said"),
    [
        ("npz", "auto", "d.csv", "is a CSV: give dataset: csv"),
        ("npz", "official", "d.npz", "npz is your own data: leave the source out"),
        ("npz", "embedded", "d.npz", "npz is your own data: leave the source out"),
        ("mnist", "own", None, "mnist is no folder, npz or csv"),
        ("digits", "official", None, "digits is embedded alone: leave the source out"),
        ("folder", "auto", "photos", "no such folder or file"),
        ("folder", "auto", "~nobody-of-that-name/photos", "home directory"),
    ],
)
def test_what_does_not_fit_is_refused(own: Path, dataset: str, source: str, path: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        loaded(dataset, own, source, path=path)


def test_a_path_of_the_current_folder_alone_is_pointed_out(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own)
    with pytest.raises(UserError, match=r"not in the data folder data, but in the current folder: give /"):
        loaded("npz", Path("data"), path="d.npz")


def test_digits_need_no_disk(tmp_path: Path) -> None:
    found = loaded("digits", tmp_path / "none")
    assert (found.source, found.provenance, found.image_shape) == ("embedded", "embedded", (1, 8, 8))
    assert torch.bincount(found.train_labels).tolist() == [100] * 10
    assert torch.bincount(found.test_labels).tolist() == [78, 82, 77, 83, 81, 82, 81, 79, 74, 80]
    from sklearn.datasets import load_digits

    digits = load_digits()
    whole = torch.cat([found.train_images, found.test_images]).mul(16).round().flatten(1).numpy()
    key = lambda rows: sorted(map(bytes, rows.astype(np.uint8)))  # noqa: E731
    assert key(whole) == key(digits.data)
    first = torch.from_numpy(digits.images[digits.target == 7][0] / 16)
    assert found.train_images[found.train_labels == 7][0, 0].double().allclose(first)


# torchvision's


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> Any:
    """torchvision's own FakeData, small and with parts, under the names of sets that have files."""
    datasets = import_torchvision().datasets

    class WithTrain(datasets.FakeData):  # type: ignore[misc, name-defined]
        classes = ["ant", "bee", "cow"]  # noqa: RUF012 (as torchvision has it)

        def __init__(self, root: str, train: bool = True, transform: Any = None, download: bool = False):
            assert root.endswith("data")
            if not download and not Path(root, "here").exists():
                raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
            Path(root, "here").touch()
            super().__init__(30 if train else 12, (3, 7, 6), 3, random_offset=0 if train else 100)

        def _check_integrity(self) -> bool:
            return True

    class WithSplit(datasets.FakeData):  # type: ignore[misc, name-defined]
        def __init__(self, root: str, split: str = "train"):
            if split not in ("train", "val"):
                raise ValueError("unknown split")
            super().__init__(20 if split == "train" else 9, (3, 5, 5), 2)

    monkeypatch.setattr(datasets, "CIFAR10", WithTrain)
    monkeypatch.setattr(datasets, "FER2013", WithSplit)
    return datasets


def test_a_set_of_torchvision_is_read_by_its_signature(
    sets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    mend = r"not found or corrupted.*`dba data fetch --dataset torchvision:CIFAR10 --data .*data`"
    with pytest.raises(UserError, match=mend):
        loaded("torchvision:CIFAR10", folder)
    assert not folder.exists()
    with pytest.raises(UserError, match="DBA_OFFLINE"):
        fetch("torchvision:CIFAR10", folder)
    monkeypatch.delenv("DBA_OFFLINE")
    fetch("torchvision:CIFAR10", folder)
    found = loaded("torchvision:CIFAR10", folder)
    assert (found.title, found.source, found.provenance) == ("CIFAR10", "official", "official")
    assert (found.classes, found.image_shape) == (("ant", "bee", "cow"), (3, 7, 6))
    part = sets.CIFAR10(str(folder), train=False)
    for i, (image, label) in enumerate(part):
        assert np.array_equal(found.test_images[i].numpy().transpose(1, 2, 0), np.asarray(image))
        assert int(found.test_labels[i]) == int(label)
    assert len(found.train_labels) == 30
    other = loaded("torchvision:FER2013", tmp_path)
    assert (len(other.train_labels), len(other.test_labels), other.provenance) == (20, 9, "unverified")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torchvision:CIFAR1", "torchvision has no dataset 'CIFAR1'; did you mean 'CIFAR10'"),
        ("torchvision:EMNIST", "needs 'split', which no config gives"),
        ("torchvision:CocoDetection", "needs 'annFile'"),
    ],
)
def test_a_set_that_no_config_can_name(sets: Any, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        loaded(name, tmp_path / "data")


def test_the_real_class_of_torchvision_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="torchvision:CIFAR100: Dataset not found or corrupted"):
        loaded("torchvision:CIFAR100", tmp_path)


# Official


def test_the_right_shape_is_not_official(
    tmp_path: Path, place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place(tmp_path)
    assert loaded("fashion_mnist", tmp_path).provenance == "unverified"
    files = DATASETS["fashion_mnist"].files
    assert files is not None
    packed = {}
    for file in files.within(folder):
        file.archive.write_bytes(gzip.compress(file.path.read_bytes(), 1))
        packed[file.archive.name] = hashlib.md5(file.archive.read_bytes()).hexdigest()
    assert loaded("fashion_mnist", tmp_path).provenance == "unverified"
    monkeypatch.setattr(import_torchvision().datasets.FashionMNIST, "resources", list(packed.items()))
    assert loaded("fashion_mnist", tmp_path).provenance == "official"
    labels = files.within(folder)[3].path
    content = labels.read_bytes()
    labels.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert loaded("fashion_mnist", tmp_path).provenance == "unverified"
    for file in files.within(folder):
        file.path.unlink()
    assert loaded("fashion_mnist", tmp_path).provenance == "official"
