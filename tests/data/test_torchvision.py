import importlib
import subprocess
import sys
import warnings
from types import ModuleType

import pytest

from dba_cli.data import _torchvision
from dba_cli.errors import UserError

Outcomes = list[ModuleType | Exception]


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """What the imports to come end in."""
    queue: Outcomes = []

    def import_module(name: str) -> ModuleType:
        outcome = queue.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        warnings.warn("an image library is missing", stacklevel=1)
        return outcome

    monkeypatch.setattr(importlib, "import_module", import_module)
    return queue


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done besides importing; nothing of it is really done."""
    done: list[str] = []
    monkeypatch.setattr(_torchvision, "_forget", lambda package: done.append(f"forget {package}"))
    monkeypatch.setattr(_torchvision, "_declare_operators", lambda: done.append("declare"))
    return done


def test_in_a_fresh_interpreter_without_a_warning() -> None:
    program = (
        "from dba_cli.data import import_torchvision as load\n"
        "first = load()\n"
        "assert load() is first\n"
        "import torchvision, torchvision.transforms.v2\n"
        "assert torchvision is first\n"
        "assert torchvision.datasets.MNIST.resources and torchvision.extension\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_working_torchvision_is_left_alone(outcomes: Outcomes, steps: list[str]) -> None:
    module = ModuleType("torchvision")
    outcomes.append(module)
    assert _torchvision.import_torchvision() is module
    assert steps == []


def test_missing_operators_are_declared_before_a_second_import(outcomes: Outcomes, steps: list[str]) -> None:
    module = ModuleType("torchvision")
    outcomes.extend([RuntimeError("operator torchvision::nms does not exist"), module])
    assert _torchvision.import_torchvision() is module
    assert steps == ["forget torchvision", "declare"]


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'torchvision'"), RuntimeError("other\nfault")]
)
def test_another_failure_is_one_line(outcomes: Outcomes, steps: list[str], error: Exception) -> None:
    outcomes.append(error)
    with pytest.raises(UserError, match=r"^torchvision does not import beside torch .*: install [^\n]*$"):
        _torchvision.import_torchvision()
    assert steps == ["forget torchvision"]


def test_forgets_the_package_and_its_parts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fakevision", "fakevision.extension", "fakevision_extras"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    _torchvision._forget("fakevision")
    assert "fakevision" not in sys.modules
    assert "fakevision.extension" not in sys.modules
    assert "fakevision_extras" in sys.modules
