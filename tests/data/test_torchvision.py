import importlib
import subprocess
import sys
import warnings
from types import ModuleType, SimpleNamespace

import pytest

from dba_cli.data import _torchvision
from dba_cli.errors import UserError

MISSING = RuntimeError("operator torchvision::nms does not exist")
MODULE = ModuleType("torchvision")


def imported(monkeypatch: pytest.MonkeyPatch, *outcomes: ModuleType | Exception) -> list[str]:
    """Let the imports to come end so; return what will be done besides, nothing of which is really done."""
    queue, done = list(outcomes), []

    def import_module(name: str) -> ModuleType:
        outcome = queue.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        warnings.warn("an image library is missing", stacklevel=1)
        return outcome

    monkeypatch.setattr(importlib, "import_module", import_module)
    define = SimpleNamespace(define=lambda schema: done.append(schema.partition("(")[0]))
    monkeypatch.setattr(_torchvision, "_OPERATORS", define)
    left = {"torchvision.left": MODULE, "torchvision_other": MODULE}
    monkeypatch.setattr(sys, "modules", {**sys.modules, **left})
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


def test_operators_are_declared_where_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    done = imported(monkeypatch, MODULE, MISSING, MODULE)
    assert _torchvision.import_torchvision() is MODULE
    assert done == []
    assert _torchvision.import_torchvision() is MODULE
    assert done == ["nms", "qnms"]
    assert "torchvision.left" not in sys.modules
    assert "torchvision_other" in sys.modules


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'torchvision'"), RuntimeError("other\nfault")]
)
def test_another_failure_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    done = imported(monkeypatch, error)
    with pytest.raises(UserError, match=r"^torchvision does not import beside torch .*: install [^\n]*$"):
        _torchvision.import_torchvision()
    assert done == []
