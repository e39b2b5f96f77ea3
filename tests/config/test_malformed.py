"""More than a thousand configs that are none: one line each, whatever they are, and never a traceback."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dba_cli.cli import main
from dba_cli.config import load, load_sweep
from dba_cli.errors import UserError

from .conftest import TINY

KEYS = [
    *["name", "kind", "lr", "epochs", "steps", "hidden"],
    *["draw", "data", "extends", "sweep", "checkpoint", "é"],
]
ODD = [*KEYS, 2**70, -(10**400), "../x", "a:b", "os:system", "nan", "1e999", "\x00", "\x85"]
SCALARS = [st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates()]
JUNK = st.recursive(
    st.one_of(*SCALARS, st.binary(max_size=5), st.sampled_from(ODD)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a config."""
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


@st.composite
def changed_values(draw: st.DrawFn) -> bytes:
    """The small config with values replaced, removed or added."""
    content = yaml.safe_load(TINY)
    for _ in range(draw(st.integers(1, 3))):
        *sections, last = draw(st.sampled_from([p for p in places(content) if p]))
        target = content
        for key in sections:
            target = target[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "remove" if len(target) > 1:
                del target[last]
            case "add" if isinstance(target, dict):
                target[draw(st.sampled_from(KEYS) | st.text(max_size=8))] = draw(JUNK)
            case _:
                target[last] = draw(JUNK)
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode("utf-8", "replace")


@st.composite
def changed_text(draw: st.DrawFn) -> bytes:
    """The small config's file with some bytes cut out, doubled or put in."""
    raw = TINY.encode()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 40)))
        new = draw(
            st.sampled_from(
                [b"", raw[start:end] * 2, b"\t", b"&a ", b"*a", b"!!python/object:os ", b"- ", b": "]
            )
        )
        raw = raw[:start] + (new or draw(st.binary(max_size=6))) + raw[end:]
    return raw


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(
    max_examples=1050, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(
    st.one_of(
        changed_values(),
        changed_values(),
        changed_text(),
        st.binary(max_size=200),
        JUNK.map(repr).map(str.encode),
    )
)
def test_a_malformed_config_is_one_line(folder: Path, raw: bytes) -> None:
    path = folder / "malformed.yaml"
    path.write_bytes(raw)
    for read in (load, load_sweep):
        try:
            read(path)
        except UserError as error:
            line = str(error)
        else:
            continue  # a change that changes nothing, or the keys of a sweep
        assert str(path) in line
        assert len(line.splitlines()) == 1, line
        assert len(line) < 1000


words = st.sampled_from([*KEYS, "training", "optimizers", "plain", "0", "base"]) | st.text(max_size=5)
values = JUNK.map(repr) | st.text(alphabet="[]{}:,-?&*!|>'\"%@`#=.~\t\r\0\x85\ufeff\ud800 \n1eU", max_size=20)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(key=st.lists(words, min_size=1, max_size=4).map(".".join), value=values)
def test_a_malformed_override_is_one_line(key: str, value: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "whole.yaml"
    path.write_text(TINY)
    line = "--set "
    try:
        load(path, [f"{key}={value}"])
    except UserError as error:
        line = str(error)
    assert line.startswith(("--set ", str(path)))
    assert line.isprintable()  # and so is one


@settings(
    max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(st.one_of(changed_text(), st.binary(max_size=50)))
def test_the_command_refuses_it_with_2(folder: Path, capsys: pytest.CaptureFixture[str], raw: bytes) -> None:
    path = folder / "malformed.yaml"
    path.write_bytes(raw + b"\nnot_a_key: 1\n")
    with pytest.raises(SystemExit) as end:
        main(["run", str(path), "--results", str(folder / "results")])
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dba: error: ")
    assert len(err.splitlines()) == 1
    assert not (folder / "results").exists()
