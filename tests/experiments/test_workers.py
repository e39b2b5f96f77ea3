"""The same work on a Ray cluster: a real one on this machine."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dba_cli.errors import UserError
from dba_cli.experiments import Settings

from .lab import ADAM, DBA, SGD, Reporter, config, do, timeless


# Ray leaves its sockets and the handles of its processes to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_leaves_the_same_bits_and_records_failures(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    whole = config(SGD, ADAM, DBA)
    do(tmp_path / "here" / "results", whole, jobs=1)
    reporter = Reporter()
    records = do(tmp_path / "there" / "results", whole, reporter=reporter, jobs=2, backend="ray")
    assert len(records) == 3
    assert timeless(tmp_path / "here" / "results") == timeless(tmp_path / "there" / "results")
    assert sorted(reporter.runs) == [("adam", 0), ("dba", 0), ("sgd", 0)]


def test_without_ray_it_is_one_line(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--backend ray: Ray is not installed; pip install 'dba-cli\[ray\]'"):
        do(results, config(SGD), jobs=2, backend="ray")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "127.0.0.1:99999999"])
def test_an_address_without_a_cluster_is_one_line(results: Path, address: str) -> None:
    pytest.importorskip("ray")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
        address = address.format(port=unused.getsockname()[1])
        with pytest.raises(UserError, match=f"--address {address}: no Ray cluster there"):
            do(results, config(SGD), jobs=2, backend="ray", address=address)


@pytest.mark.parametrize(
    ("given", "inside", "threads"),
    [
        ({}, True, None),
        ({"jobs": 1}, True, 1),
        ({"jobs": 2}, False, 1),
        ({"backend": "ray"}, False, 1),
        ({"jobs": 2, "threads": 3}, False, 3),
    ],
)
def test_who_works(given: dict[str, Any], inside: bool, threads: int | None) -> None:
    settings = Settings(Path(), Path(), torch.device("cpu"), **given)
    assert (settings.inside, settings.fixed_threads) == (inside, threads)
