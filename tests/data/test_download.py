"""Downloads by torchvision's list of files, from a server inside the test."""

import gzip
import hashlib
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest

from dba_cli.data import _download, fetch, import_torchvision, load, status
from dba_cli.errors import UserError

from .conftest import files_of

LABELS = "train-labels-idx1-ubyte"


@dataclass
class Mirror:
    """A server of the four archives; ``misbehave`` says what it does to one of them."""

    archives: dict[str, bytes]
    misbehave: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        self.requests.append(name)
        fault = self.misbehave.get(name)
        body = self.archives[name]
        if fault == "gone":
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(
            {"cut": body[:10], "stall": body[:10], "changed": body[::-1]}.get(fault or "", body)
        )
        if fault == "stall":
            request.wfile.flush()
            self.over.wait(20)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The archives of a data set of black images, each compressed once for all tests."""
    made = {}
    for file in files_of("fashion_mnist", Path()):
        made[f"{file.path.name}.gz"] = gzip.compress(file.header + bytes(file.size - len(file.header)), 1)
    return made


@pytest.fixture
def mirror(archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    served = Mirror(archives)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.delenv("DBA_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    dataset = import_torchvision().datasets.FashionMNIST
    monkeypatch.setattr(dataset, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(
        dataset,
        "resources",
        [(name, hashlib.md5(body).hexdigest()) for name, body in archives.items()],
    )
    yield served
    served.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_four_files_and_their_archives_are_put_into_place(
    tmp_path: Path, mirror: Mirror, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, tuple[int, int | None]] = {}

    def progress(name: str, done: int, total: int | None) -> None:
        assert done >= seen.get(name, (0, None))[0]
        seen[name] = (done, total)

    data_dir = tmp_path / "new" / "data"
    assert fetch("fashion_mnist", data_dir, progress=progress).complete
    assert names(data_dir) == [
        "FashionMNIST",
        "FashionMNIST/raw",
        *sorted(
            f"FashionMNIST/raw/{n}" for name in mirror.archives for n in (name, name.removesuffix(".gz"))
        ),
    ]
    assert seen == {name: (len(body), len(body)) for name, body in mirror.archives.items()}
    assert load("fashion_mnist", "official", data_dir, print).provenance == "official"
    assert capfd.readouterr() == ("", "")


def test_sound_files_are_kept_and_bad_ones_replaced_by_force_only(
    tmp_path: Path, mirror: Mirror, place: Callable[..., Path]
) -> None:
    folder = place(tmp_path)
    assert fetch("fashion_mnist", tmp_path).complete
    (folder / LABELS).write_bytes(b"short")
    (folder / "notes.txt").write_text("not ours")
    with pytest.raises(UserError, match=r"truncated: .*fetch --dataset fashion_mnist .* --force`"):
        fetch("fashion_mnist", tmp_path)
    assert mirror.requests == []
    assert fetch("fashion_mnist", tmp_path, force=True).complete
    assert (folder / "notes.txt").read_text() == "not ours"


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [("cut", "corrupted"), ("changed", "corrupted"), ("gone", "404"), ("stall", "timed out")],
)
def test_a_download_that_fails_half_way_leaves_all_as_it_was(
    tmp_path: Path,
    mirror: Mirror,
    place: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    reason: str,
    there: bool,
) -> None:
    if there:
        place(tmp_path)
    before = names(tmp_path)
    monkeypatch.setattr(_download, "STALL_LIMIT_S", 0.3)
    mirror.misbehave[f"{LABELS}.gz"] = fault
    start = time.monotonic()
    with pytest.raises(
        UserError, match=rf"{LABELS}\.gz failed \(127\.0\.0\.1:\d+: .*{reason}.*copy the four files"
    ):
        fetch("fashion_mnist", tmp_path, force=there)
    assert time.monotonic() - start < 15
    assert names(tmp_path) == before
    assert status("fashion_mnist", tmp_path).complete == there


def test_an_interrupt_leaves_nothing(tmp_path: Path, mirror: Mirror) -> None:
    def progress(name: str, done: int, total: int | None) -> None:
        if name.startswith("t10k") and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("fashion_mnist", tmp_path, progress=progress)
    assert names(tmp_path) == []


def test_a_mirror_with_the_wrong_files_is_refused(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = gzip.compress(b"\x00\x00\x08\x01 not the labels")
    mirror.archives = {**mirror.archives, f"{LABELS}.gz": archive}
    resources = [(name, hashlib.md5(body).hexdigest()) for name, body in mirror.archives.items()]
    monkeypatch.setattr(import_torchvision().datasets.FashionMNIST, "resources", resources)
    with pytest.raises(UserError, match=f"the downloaded {LABELS} is wrong: truncated"):
        fetch("fashion_mnist", tmp_path)
    assert names(tmp_path) == []


def test_the_next_mirror_takes_over(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = import_torchvision().datasets.FashionMNIST
    good = dataset.mirrors[0]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setattr(dataset, "mirrors", [dead, good])
    assert fetch("fashion_mnist", tmp_path).complete


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("torchvision", "torchvision does not import"),
        ("folder", "cannot write to {}: Not a directory"),
        ("network", "the network is switched off by DBA_OFFLINE"),
    ],
)
def test_whatever_fails_auto_falls_back_loudly(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, broken: str, reason: str
) -> None:
    def fail() -> None:
        raise UserError("torchvision does not import")

    if broken == "torchvision":
        monkeypatch.setattr(_download, "import_torchvision", fail)
    monkeypatch.setenv("DBA_OFFLINE", "1" if broken == "network" else "0")
    (tmp_path / "file").write_text("")
    data_dir = tmp_path / "file" / "data"
    lines: list[str] = []
    data = load("mnist", "auto", data_dir, lines.append)
    assert data.source == "embedded"
    assert lines == [
        f"mnist: no official files in {data_dir / 'MNIST' / 'raw'}: trying the download",
        f"mnist: the download failed: {reason.format(data_dir)}",
        data.notice,
    ]
    assert mirror.requests == []


def test_a_look_up_that_hangs_is_given_up(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a name is where packets are dropped: it obeys no timeout."""
    over = threading.Event()

    def urlopen(request: urllib.request.Request, timeout: float) -> None:
        if request.host == "second.example":
            over.wait()
        raise URLError(OSError("Name or service\nnot known"))

    dataset = import_torchvision().datasets.FashionMNIST
    monkeypatch.setattr(dataset, "mirrors", ["https://first.example/", "https://second.example/"])
    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(_download, "STALL_LIMIT_S", 0.2)
    with pytest.raises(
        UserError,
        match=r"first\.example: Name or service not known; second\.example: no answer within 0\.2 s\)",
    ):
        fetch("fashion_mnist", tmp_path)
    over.set()
    assert names(tmp_path) == []
