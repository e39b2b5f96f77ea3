import gzip
import hashlib
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dba_cli.cli import main
from dba_cli.data import fetch, load, status
from dba_cli.data._idx import IdxFile
from dba_cli.errors import UserError

verify = partial(status, whole=True)
NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def problems(data_dir: Path) -> list[str | None]:
    return [file.problem for file in status("fashion_mnist", data_dir).files]


@pytest.mark.parametrize("inner", ["raw", ""])
def test_sound_files(tmp_path: Path, place: Callable[..., Path], inner: str) -> None:
    folder = place(tmp_path, inner=inner)
    found = status("fashion_mnist", tmp_path)
    assert (found.complete, found.absent, found.folder) == (True, False, folder)
    assert [file.path for file in found.files] == [folder / name for name in NAMES]
    assert [file.size for file in found.files] == [47_040_016, 60_008, 7_840_016, 10_008]
    assert problems(tmp_path) == [None] * 4


@pytest.mark.parametrize("data_dir", [".", "no/such/folder"])
def test_no_files(tmp_path: Path, data_dir: str) -> None:
    found = status("mnist", tmp_path / data_dir)
    assert (found.complete, found.absent) == (False, True)
    assert {(file.size, file.problem) for file in found.files} == {(None, "missing")}


def test_each_kind_of_damage_is_told_apart(tmp_path: Path, place: Callable[..., Path]) -> None:
    folder = place(tmp_path)
    (folder / NAMES[0]).write_bytes(b"short")
    with (folder / NAMES[1]).open("r+b") as stream:
        stream.write(b"\x1f\x8b")
    (folder / NAMES[2]).unlink()
    with (folder / NAMES[3]).open("ab") as stream:
        stream.write(b"more")
    expected = [
        "truncated: expected 47,040,016 bytes, found 5",
        "not an IDX file of unsigned bytes with dimensions (60000,)",
        "missing",
        "too long: expected 10,008 bytes, found 10,012",
    ]
    assert (
        problems(tmp_path) == [file.problem for file in verify("fashion_mnist", tmp_path).files] == expected
    )
    found = status("fashion_mnist", tmp_path)
    assert (found.complete, found.absent) == (False, False)


def test_an_unreadable_file_is_a_finding(
    tmp_path: Path, place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path)

    def refuse(path: Path, mode: str = "r", *_options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    for look in (status, verify):
        found = look("fashion_mnist", tmp_path)
        assert {file.problem for file in found.files} == {"unreadable: Permission denied"}


def compress(path: Path, content: bytes | None = None) -> None:
    archive = path.with_name(f"{path.name}.gz")
    archive.write_bytes(gzip.compress(path.read_bytes() if content is None else content, 1))
    path.unlink()


def test_archives_are_read_where_the_files_are_not(tmp_path: Path, place: Callable[..., Path]) -> None:
    folder = place(tmp_path)
    plain = load("fashion_mnist", "official", tmp_path, print)
    before = [file.sha256 for file in verify("fashion_mnist", tmp_path).files]
    for name in NAMES[1:]:
        compress(folder / name)
    found = verify("fashion_mnist", tmp_path)
    assert found.complete
    assert [file.sha256 for file in found.files] == before
    assert [file.path.name for file in found.files] == [NAMES[0], *(f"{name}.gz" for name in NAMES[1:])]
    data = load("fashion_mnist", "official", tmp_path, print)
    assert data.test_images.equal(plain.test_images)
    assert data.train_labels.equal(plain.train_labels)


def test_a_bad_archive_is_told(tmp_path: Path, place: Callable[..., Path]) -> None:
    folder = place(tmp_path)
    labels = (folder / NAMES[3]).read_bytes()
    compress(folder / NAMES[3], labels[:-8])
    assert problems(tmp_path)[3] == "truncated: expected 10,008 bytes, found 10,000"
    archive = folder / f"{NAMES[3]}.gz"
    whole = gzip.compress(labels)
    for damaged in (b"plain text, no archive", whole[:2], whole[:-30] + whole[-4:]):
        archive.write_bytes(damaged)
        assert (
            verify("fashion_mnist", tmp_path).files[3].problem == "not a gzip archive, or only a part of one"
        )
        with pytest.raises(UserError, match=r"\.gz: not a gzip archive.*fetch --dataset fashion_mnist"):
            load("fashion_mnist", "auto", tmp_path, print)


def test_an_archive_that_holds_more_than_it_says_is_not_unpacked(
    tmp_path: Path, place: Callable[..., Path]
) -> None:
    file = place(tmp_path) / NAMES[3]
    labels = file.read_bytes()
    file.unlink()
    bomb = bytearray(gzip.compress(labels + bytes(200_000_000), 1))
    bomb[-4:] = len(labels).to_bytes(4, "little")
    file.with_name(f"{NAMES[3]}.gz").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(UserError, match="not 10,008 bytes when it is read"):
        load("fashion_mnist", "official", tmp_path, print)
    assert tracemalloc.get_traced_memory()[1] < 120_000_000  # the other files alone take half of it
    tracemalloc.stop()


def test_without_known_digests_an_impossible_label_is_still_seen(
    tmp_path: Path, place: Callable[..., Path]
) -> None:
    folder = place(tmp_path)
    files = verify("fashion_mnist", tmp_path).files
    assert [(file.problem, file.expected_sha256) for file in files] == [(None, None)] * 4
    assert files[1].sha256 == hashlib.sha256((folder / NAMES[1]).read_bytes()).hexdigest()
    with (folder / NAMES[3]).open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\x0a")
    last = verify("fashion_mnist", tmp_path).files[3]
    assert last.problem == "corrupted: a label 10 where labels go from 0 to 9"


def test_verify_compares_mnists_digests(tmp_path: Path, place: Callable[..., Path], official: Path) -> None:
    folder = place(tmp_path, "mnist")
    (folder / NAMES[0]).unlink()
    missing, *others = verify("mnist", tmp_path).files
    assert (missing.problem, missing.sha256) == ("missing", None)
    for file in others:
        assert file.sha256 != file.expected_sha256
        assert file.problem == f"corrupted: expected SHA-256 {file.expected_sha256}, found {file.sha256}"
    real = verify("mnist", official)
    assert real.complete
    assert all(file.sha256 == file.expected_sha256 for file in real.files)


def test_an_unknown_dataset(tmp_path: Path) -> None:
    for look in (status, verify, fetch, lambda name, folder: load(name, "auto", folder, print)):
        with pytest.raises(UserError, match="unknown dataset 'kmist'; did you mean 'kmnist'"):
            look("kmist", tmp_path)


def test_what_the_commands_say(
    tmp_path: Path, place: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def dba_data(command: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as exit_:
            main(["data", command, "--dataset", "fashion_mnist", "--data", str(tmp_path)])
        said = capsys.readouterr()
        return exit_.value.code, said.out + said.err

    labels = place(tmp_path) / NAMES[1]
    assert "files of the right sizes are here" in dba_data("status")[1]
    assert dba_data("fetch")[1] == f"fashion_mnist: complete in {labels.parent}\n"
    code, said = dba_data("verify")
    assert (code, said.count("structure ok, no digest known")) == (0, 4)
    assert "nothing shows that these are the official files" in said
    labels.write_bytes(b"short")
    command = f"dba data fetch --dataset fashion_mnist --data {tmp_path} --force"
    assert f"not usable as it is; '{command}' replaces the files" in dba_data("status")[1]
    code, said = dba_data("verify")
    assert code == 2
    assert "1 of 4 files are wrong" in said


@settings(max_examples=60, derandomize=True, deadline=None)
@given(data=st.data(), packed=st.booleans())
def test_a_damaged_file_is_refused_or_right(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("idx")
    file = IdxFile(folder / "file", (5, 2, 3), None, 10)
    pixels = data.draw(st.binary(min_size=30, max_size=30))
    content = bytearray(gzip.compress(file.header + pixels) if packed else file.header + pixels)
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (file.archive if packed else file.path).write_bytes(content)
    try:
        found = file.read()
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either is right)
    else:
        assert found.shape == file.shape
        assert packed <= (found.numpy().tobytes() == pixels)  # an archive has a checksum of its own
