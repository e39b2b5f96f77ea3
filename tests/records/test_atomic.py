"""Files that are whole or not there, whatever goes wrong while they are written."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dba_cli.errors import UserError
from dba_cli.records import ensure_writable, write_atomically


def everything_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("text", ["", "a\nb\n", "a\r\nb\r", "é ∇ 🙂\0", "x" * 1_000_000])
def test_the_bytes_are_those_of_the_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "not" / "yet" / "file.txt"
    for _ in range(2):  # a new file, and one that replaces it
        write_atomically(path, text)
        assert path.read_bytes() == text.encode("utf-8")
        assert everything_in(path.parent) == ["file.txt"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o000, 0o666)])
def test_permissions_are_what_the_umask_gives(tmp_path: Path, umask: int, mode: int) -> None:
    write = "import sys; from dba_cli.records import write_atomically as w; from pathlib import Path; "
    write += "w(Path(sys.argv[1]), 'text')"
    subprocess.run([sys.executable, "-c", write, tmp_path / "file"], check=True, umask=umask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_the_umask_is_not_set_while_files_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another thread makes in that moment would be open to the world."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail(f"set to {mask}"))
    write_atomically(tmp_path / "file", "text")


@pytest.mark.parametrize(
    ("operation", "code", "reason"),
    [
        ("os.fsync", errno.ENOSPC, "No space left on device"),
        ("os.fsync", errno.EIO, "Input/output error"),
        ("pathlib.Path.replace", errno.EACCES, "Permission denied"),
        ("pathlib.Path.chmod", errno.EPERM, "Operation not permitted"),
        ("pathlib.Path.mkdir", errno.EROFS, "Read-only file system"),
        ("tempfile.mkstemp", errno.EDQUOT, "Disk quota exceeded"),
    ],
)
@pytest.mark.parametrize("old", [None, "the old text"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, code: int, reason: str, old: str | None
) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_text(old)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(operation, fail)
        with pytest.raises(UserError) as caught:
            write_atomically(path, "the new text")
    assert str(caught.value) == f"{path}: cannot be written ({reason})"
    assert everything_in(tmp_path) == ([] if old is None else ["file"])
    assert old is None or path.read_text() == old


@pytest.mark.parametrize(
    ("stop", "text"),
    [(KeyboardInterrupt, "text"), (MemoryError, "text"), (UnicodeEncodeError, "\ud800")],
    ids=["interrupted", "no memory", "no UTF-8"],
)
def test_an_interruption_passes_through_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException], text: str
) -> None:
    def interrupt(*_: Any) -> None:
        raise stop

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(stop):
        write_atomically(tmp_path / "file", text)
    assert everything_in(tmp_path) == []


def test_the_content_is_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def logged_fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("sync folder" if folder else f"sync {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def logged_replace(self: Path, target: Path) -> Path:
        steps.append(f"rename to {target.name}")
        return replace(self, target)

    monkeypatch.setattr("os.fsync", logged_fsync)
    monkeypatch.setattr(Path, "replace", logged_replace)
    write_atomically(tmp_path / "file", "text")
    assert steps == ["sync 4 bytes", "rename to file", "sync folder"]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def no_folders(path: Any, *rest: Any, **named: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError  # as on Windows
        return opened(path, *rest, **named)

    monkeypatch.setattr("os.open", no_folders)
    write_atomically(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"
    assert everything_in(tmp_path) == ["file"]


@pytest.mark.parametrize("inner", ["blocked/file", "blocked/deeper/file", "folder"])
def test_a_file_in_the_place_of_a_folder_or_the_other_way_round(tmp_path: Path, inner: str) -> None:
    (tmp_path / "blocked").write_text("here first")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written") as caught:
        write_atomically(tmp_path / inner, "text")
    assert str(caught.value).startswith(f"{tmp_path / inner}: cannot be written (")
    assert everything_in(tmp_path) == ["blocked", "folder"]
    assert (tmp_path / "blocked").read_text() == "here first"


def test_ensure_writable_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        ensure_writable(folder)
        assert everything_in(folder) == []


def test_ensure_writable_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    for folder, reason in ((tmp_path / "file", "File exists"), (tmp_path, "Read-only file system")):
        with pytest.raises(UserError) as caught:
            ensure_writable(folder)
        assert str(caught.value) == f"{folder}: cannot be written ({reason}); give another --results DIR"
