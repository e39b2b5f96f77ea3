import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dba_cli.data import _files, _status, status, verify
from dba_cli.errors import UserError

NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def test_sound_files(tmp_path: Path, place: Callable[..., Path]) -> None:
    folder = place(tmp_path)
    found = status("fashion_mnist", tmp_path)
    assert found.complete
    assert not found.absent
    assert folder == found.folder == tmp_path / "FashionMNIST" / "raw"
    assert [file.path for file in found.files] == [folder / name for name in NAMES]
    assert [file.size for file in found.files] == [47_040_016, 60_008, 7_840_016, 10_008]
    assert all(file.present and file.ok and file.problem is None for file in found.files)


@pytest.mark.parametrize("data_dir", [".", "no/such/folder"])
def test_no_files(tmp_path: Path, data_dir: str) -> None:
    found = status("mnist", tmp_path / data_dir)
    assert found.absent
    assert not found.complete
    assert [(file.present, file.size, file.expected_size) for file in found.files] == [
        (False, None, 47_040_016),
        (False, None, 60_008),
        (False, None, 7_840_016),
        (False, None, 10_008),
    ]


def test_each_kind_of_damage_is_told_apart(tmp_path: Path, place: Callable[..., Path]) -> None:
    folder = place(tmp_path)
    (folder / NAMES[0]).write_bytes(b"short")
    with (folder / NAMES[1]).open("r+b") as stream:
        stream.write(b"\x1f\x8b")
    (folder / NAMES[2]).rename(folder / f"{NAMES[2]}.gz")
    with (folder / NAMES[3]).open("ab") as stream:
        stream.write(b"more")
    found = status("fashion_mnist", tmp_path)
    assert [file.problem for file in found.files] == [
        "truncated: expected 47,040,016 bytes, found 5",
        "not an IDX file of unsigned bytes with dimensions (60000,)",
        "missing, only t10k-images-idx3-ubyte.gz is there (unpack it with gunzip)",
        "too long: expected 10,008 bytes, found 10,012",
    ]
    assert not found.complete
    assert not found.absent


def test_an_unreadable_file_is_a_finding(
    tmp_path: Path, place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path)

    def refuse(file: _files.OfficialFile) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(file.path))

    monkeypatch.setattr(_status, "structure_problem", refuse)
    monkeypatch.setattr(_status, "read", refuse)
    assert {file.problem for file in status("fashion_mnist", tmp_path).files} == {
        "unreadable: Permission denied"
    }
    assert {file.problem for file in verify("fashion_mnist", tmp_path)} == {"unreadable: Permission denied"}


def test_verify_without_known_digests_says_so(tmp_path: Path, place: Callable[..., Path]) -> None:
    folder = place(tmp_path)
    results = verify("fashion_mnist", tmp_path)
    assert all(result.ok and result.structure_only for result in results)
    digest = hashlib.sha256((folder / NAMES[1]).read_bytes()).hexdigest()
    assert results[1].actual_sha256 == digest


def test_verify_without_known_digests_still_sees_an_impossible_label(
    tmp_path: Path, place: Callable[..., Path]
) -> None:
    folder = place(tmp_path)
    with (folder / NAMES[3]).open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\x0a")
    assert [result.ok for result in verify("fashion_mnist", tmp_path)] == [True, True, True, False]


def test_verify_compares_mnists_digests(tmp_path: Path, place: Callable[..., Path]) -> None:
    place(tmp_path, "mnist")
    (tmp_path / "MNIST" / "raw" / NAMES[0]).unlink()
    results = verify("mnist", tmp_path)
    assert not any(result.ok or result.structure_only for result in results)
    assert (results[0].problem, results[0].actual_sha256) == ("missing", None)
    for result in results[1:]:
        digest = hashlib.sha256(result.path.read_bytes()).hexdigest()
        assert result.actual_sha256 == digest != result.expected_sha256
        assert result.problem == f"corrupted: expected SHA-256 {result.expected_sha256}, found {digest}"


def test_the_real_files_verify(official: Path) -> None:
    results = verify("mnist", official)
    assert all(result.ok and result.actual_sha256 == result.expected_sha256 for result in results)
    assert status("mnist", official).complete


@pytest.mark.parametrize("look", [status, verify])
def test_an_unknown_dataset(look: Callable[[str, Path], object], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown dataset 'kmist'; did you mean 'kmnist'"):
        look("kmist", tmp_path)
