"""A small valid config whose lines the tests know, and a folder to put configs in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dba_cli.config import load
from dba_cli.errors import UserError

TINY = """\
experiment:
  name: tiny
data:
  draw: {per_class: 10}
model:
  kind: mlp
  hidden: [8]
training:
  epochs: 2
  batch_size: 50
optimizers:
  - name: plain
    kind: sgd
    lr: 0.1
  - name: dynamic
    kind: dba
    base:
      kind: sgd
      lr: 0.1
seeds: [0, 1]
"""


@pytest.fixture(scope="session")
def tiny() -> str:
    return TINY


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a file into a fresh current folder; messages then show its bare name."""
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes = TINY, name: str = "c.yaml") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def fault() -> Callable[..., str]:
    """The message with which loading is refused."""

    def message(path: Path, *overrides: str) -> str:
        with pytest.raises(UserError) as caught:
            load(path, overrides)
        return str(caught.value)

    return message
