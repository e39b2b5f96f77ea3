import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dba_cli.data import _load, load
from dba_cli.data._idx import IdxFiles
from dba_cli.errors import UserError


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fail each download, and return the list that their data sets will be in."""
    asked: list[str] = []

    def fail(files: IdxFiles, data_dir: Path) -> None:
        asked.append(files.folder)
        raise UserError("no mirror can be reached")

    monkeypatch.setattr(_load, "download", fail)
    return asked


@pytest.mark.parametrize("source", ["auto", "official"])
def test_official_files_are_read_as_they_are(
    tmp_path: Path, place: Callable[..., Path], lines: list[str], downloads: list[str], source: str
) -> None:
    place(tmp_path)
    data = load("fashion_mnist", source, tmp_path, lines.append)
    assert (data.dataset, data.source, data.title, data.notice) == (
        "fashion_mnist",
        "official",
        "Fashion-MNIST",
        None,
    )
    assert (data.num_classes, data.official_size, data.image_shape) == (10, 60_000, (1, 28, 28))
    assert data.train_images.shape == (60_000, 1, 28, 28)
    assert data.test_images.shape == (10_000, 1, 28, 28)
    assert data.train_images.dtype == data.test_images.dtype == torch.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == torch.int64
    assert data.train_labels.equal(torch.arange(60_000) % 10)
    assert data.test_labels.equal(torch.arange(10_000) % 10)
    assert lines == downloads == []


def test_the_real_files(official: Path, lines: list[str]) -> None:
    data = load("mnist", "auto", official, lines.append)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(data.train_labels).tolist() == counts
    assert torch.bincount(data.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    # The constants that everybody knows, and that nothing here may use.
    assert float(data.train_images.double().mean() / 255) == pytest.approx(0.1307, abs=5e-5)
    assert lines == []


def test_embedded_asks_neither_disk_nor_network(
    tmp_path: Path, lines: list[str], downloads: list[str]
) -> None:
    data = load("mnist", "embedded", tmp_path / "a file" / "below", lines.append)
    assert (data.source, len(data.train_labels), len(data.test_labels)) == ("embedded", 1000, 4000)
    assert data.official_size == 60_000
    assert data.notice is not None
    assert "NOT comparable to the paper's" in data.notice
    assert lines == [data.notice]
    assert downloads == []


def test_auto_loads_what_it_downloaded(
    tmp_path: Path, place: Callable[..., Path], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_load, "download", lambda files, data_dir: place(data_dir, "kmnist"))
    assert load("kmnist", "auto", tmp_path, lines.append).source == "official"
    assert len(lines) == 1


def test_official_without_files_or_network_names_the_mends(
    tmp_path: Path, lines: list[str], downloads: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        load("mnist", "official", tmp_path, lines.append)
    for part in ("no mirror can be reached", "--data DIR", "DBA_DATA", f"`dba data fetch --data {tmp_path}`"):
        assert part in str(caught.value)


@pytest.mark.parametrize("source", ["embedded", "auto"])
def test_only_mnist_has_an_embedded_sample(
    tmp_path: Path, lines: list[str], downloads: list[str], source: str
) -> None:
    with pytest.raises(UserError, match="only mnist and digits have embedded images, kmnist has none"):
        load("kmnist", source, tmp_path, lines.append)


def truncate(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(1000)


@pytest.mark.parametrize("source", ["auto", "official"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [(truncate, "truncated: expected 7,840,016 bytes, found 1,000"), (Path.unlink, "missing")],
)
def test_bad_files_are_never_passed_over(
    tmp_path: Path,
    place: Callable[..., Path],
    lines: list[str],
    downloads: list[str],
    damage: Callable[[Path], None],
    message: str,
    source: str,
) -> None:
    file = place(tmp_path, "kmnist") / "t10k-images-idx3-ubyte"
    damage(file)
    mend = f"`dba data fetch --dataset kmnist --data {tmp_path} --force`"
    expected = f"{file}: {message}; to replace all four files run {mend}"
    with pytest.raises(UserError, match=f"^{re.escape(expected)}$"):
        load("kmnist", source, tmp_path, lines.append)
    assert lines == downloads == []


def test_one_changed_byte_of_mnist_is_never_trained_on(
    tmp_path: Path, official: Path, lines: list[str]
) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for file in (official / "MNIST" / "raw").glob("*-ubyte"):
        (folder / file.name).write_bytes(file.read_bytes())
    load("mnist", "official", tmp_path, lines.append)
    with (folder / "train-images-idx3-ubyte").open("r+b") as stream:
        stream.seek(1_000_000)
        before = stream.read(1)[0]
        stream.seek(1_000_000)
        stream.write(bytes([before ^ 1]))
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte: corrupted: expected SHA-256 ba891046"):
        load("mnist", "auto", tmp_path, lines.append)


@pytest.mark.parametrize(
    ("inner", "named"), [("raw", "FashionMNIST"), ("raw", "FashionMNIST/raw"), ("", "FashionMNIST")]
)
def test_a_folder_one_level_too_deep_is_pointed_out(
    tmp_path: Path, place: Callable[..., Path], lines: list[str], inner: str, named: str
) -> None:
    place(tmp_path, inner=inner)
    with pytest.raises(UserError, match=f"the folder to name is .*: {re.escape(str(tmp_path))}$"):
        load("fashion_mnist", "auto", tmp_path / named, lines.append)


def test_a_file_for_a_folder(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError, match="a file, not a folder"):
        load("mnist", "auto", tmp_path / "data", lines.append)
