"""Training in two processes: what DistributedDataParallel averages, and selection over both."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from dba_cli import DynamicBatch

from . import replicas
from .problems import losses_of, mlp

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    """What each of the two processes found."""
    folder = tmp_path_factory.mktemp("replicas")
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", replicas.__file__, str(rank), str(folder / "meeting"),
             str(folder / f"{rank}.pt")],
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(replicas.WORLD)
    ]  # fmt: skip
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        yield [torch.load(folder / f"{rank}.pt") for rank in range(replicas.WORLD)]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def assert_equal_and_as_expected(results: Found) -> None:
    here, there = results
    torch.testing.assert_close(here["found"], there["found"], rtol=0, atol=0)
    torch.testing.assert_close(here["found"][: len(here["expected"])], here["expected"])


@pytest.mark.parametrize("how", replicas.WAYS)
def test_gradients_and_weights_are_equal_and_gradients_averaged(found: Found, how: str) -> None:
    assert_equal_and_as_expected([results[how] for results in found])


def test_accumulation_without_synchronisation(found: Found) -> None:
    assert_equal_and_as_expected([results["accumulation"] for results in found])


@pytest.mark.parametrize("rule", replicas.GLOBAL)
def test_the_global_selection_is_that_of_one_process_with_the_whole_batch(found: Found, rule: str) -> None:
    results = [each[f"global {rule}"] for each in found]
    assert_equal_and_as_expected(results)
    for each in results:
        torch.testing.assert_close(each["weights"], each["weights alone"])


def test_a_process_whose_losses_overflow_makes_all_skip_the_step(found: Found) -> None:
    results = [each["overflow"] for each in found]
    assert_equal_and_as_expected(results)
    assert [each["scale"] for each in results] == [512, 512]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("refused", "selection='global'.*top_k, random or prefix with size="),
        ("differing", "same layers"),
        ("sharded", "FSDP2.*use DistributedDataParallel"),
    ],
)
def test_refused_in_one_sentence_in_every_process(found: Found, name: str, says: str) -> None:
    for results in found:
        assert re.search(says, results[name]), results[name]


@pytest.mark.parametrize("rule", ["all", "top_k", "largest_loss"])
def test_without_other_processes_global_is_local(rule: str) -> None:
    one, other = mlp(), mlp()
    ours = DynamicBatch(one, rule=rule).backward(losses_of(one))
    theirs = DynamicBatch(other, rule=rule, selection="global").backward(losses_of(other))
    torch.testing.assert_close(ours.weights, theirs.weights)
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)
    with pytest.raises(ValueError, match="metric is not known"):
        _ = theirs.metric_after
