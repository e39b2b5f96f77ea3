import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dba_cli.errors import UserError
from dba_cli.training import _device as module
from dba_cli.training import describe_device, resolve_device


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that the machine has these accelerators."""

    def has(*kinds: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    return has


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("mps", "cuda"), "cuda")],
)
def test_auto_takes_the_fastest_there_is(
    machine: Callable[..., None], kinds: tuple[str, ...], expected: str
) -> None:
    machine(*kinds)
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cpu", "cuda", "mps"])
def test_a_device_by_name(machine: Callable[..., None], name: str) -> None:
    machine("cuda", "mps")
    assert resolve_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("kinds", "name", "choices"),
    [
        ((), "cuda", "cpu"),
        ((), "mps", "cpu"),
        (("mps",), "cuda", "mps, cpu"),
        (("cuda",), "tpu", "cuda, cpu"),
    ],
)
def test_an_absent_device_is_refused(
    machine: Callable[..., None], kinds: tuple[str, ...], name: str, choices: str
) -> None:
    machine(*kinds)
    with pytest.raises(UserError) as refusal:
        resolve_device(name)
    assert str(refusal.value) == f"--device {name}: not available on this machine; choose from {choices}"


def test_a_gpu_is_called_by_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"a model of {device}")
    assert describe_device(torch.device("cuda")) == "a model of cuda"


def test_a_processor_is_called_by_its_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_bytes(b"processor\t: 0\nmodel name\t: Model\xff 9: fast \nmodel name\t: second\n")
    monkeypatch.setattr(module, "Path", lambda path: cpuinfo if path == "/proc/cpuinfo" else Path(path))
    assert describe_device(torch.device("cpu")) == "Model\N{REPLACEMENT CHARACTER} 9: fast"


@pytest.mark.parametrize("text", [None, "processor\t: 0\nBogoMIPS\t: 50.00\n"])
@pytest.mark.parametrize(("processor", "expected"), [("arm", "arm"), ("", "aarch64")])
def test_a_processor_without_a_model_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, processor: str, expected: str
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if text is not None:
        cpuinfo.write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "Path", lambda path: cpuinfo)
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert describe_device(torch.device("cpu")) == expected
