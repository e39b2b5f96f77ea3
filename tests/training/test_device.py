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
    """Pretend that the machine has these accelerators, and Apple's."""

    def has(*kinds: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)

    return has


@pytest.mark.parametrize(
    ("kinds", "name", "expected"),
    [
        ((), "auto", "cpu"),
        (("cuda",), "auto", "cuda"),
        *((("cuda",), name, name) for name in ("cpu", "cuda")),
    ],
)
def test_a_device_is_the_one_named_or_the_fastest(
    machine: Callable[..., None], kinds: tuple[str, ...], name: str, expected: str
) -> None:
    machine(*kinds)
    assert resolve_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("kinds", "name", "choices"),
    [
        ((), "cuda", "cpu"),
        ((), "mps", "cpu"),
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


NAMELESS = b"processor\t: 0\nBogoMIPS\t: 50.00\n"
NAMED = b"processor\t: 0\nmodel name\t: Model\xff 9: fast \nmodel name\t: second\n"


@pytest.mark.parametrize(
    ("content", "processor", "expected"),
    [
        (NAMED, "arm", "Model\N{REPLACEMENT CHARACTER} 9: fast"),
        *((content, *names) for content in (None, NAMELESS) for names in (("arm", "arm"), ("", "aarch64"))),
    ],
)
def test_a_processor_is_called_by_its_model_or_its_kind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, processor: str, expected: str
) -> None:
    if content is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cpuinfo").write_bytes(content)
    monkeypatch.setattr(module, "Path", lambda path: tmp_path / path.removeprefix("/"))
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert describe_device(torch.device("cpu")) == expected
