"""What every test runs under."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name beside the test; ``--golden`` writes it anew."""

    def check(name: str, text: str) -> None:
        path = request.path.parent / "golden" / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), "as it should be? then: pytest --golden"

    return check


@pytest.fixture
def example() -> Callable[..., str]:
    """Run a program of examples/ as a user would, in a process of its own; returns what it printed."""

    def run(name: str, *options: str) -> str:
        program = Path(__file__).parents[1] / "examples" / name
        done = subprocess.run(
            [sys.executable, str(program), *options], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(autouse=True)
def _no_network_and_no_outside_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never need the network, and never the official data of whoever runs them."""
    monkeypatch.setenv("DBA_OFFLINE", "1")
    monkeypatch.delenv("DBA_DATA", raising=False)
