"""Training in two processes: what DistributedDataParallel averages, and selection over both."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dba_cli import DynamicBatch

from . import replicas
from .problems import batch, mlp

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


@pytest.mark.parametrize("what", ["losses", "squares"])
@pytest.mark.parametrize("selection", ["local", "global"])
def test_a_process_with_an_overflow_makes_all_skip_the_step(found: Found, what: str, selection: str) -> None:
    results = [each[f"overflow of {what}, {selection}"] for each in found]
    assert_equal_and_as_expected(results)
    assert [each["scale"] for each in results] == [512, 512]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("refused", "selection='global'.*top_k, random or prefix with size="),
        ("differing", "same layers"),
        ("not finite", "NonFiniteError: losses"),
        ("sharded", "FSDP2.*use DistributedDataParallel"),
    ],
)
def test_refused_in_one_sentence_in_every_process(found: Found, name: str, says: str) -> None:
    for results in found:
        assert re.search(says, results[name]), results[name]


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "mlp": (mlp, batch()[0]),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2), nn.GroupNorm(2, 4), nn.Conv2d(4, 6, 1, groups=2), nn.Flatten(1)
        ).double(),
        torch.linspace(-1, 2, 12 * 2 * 25).sin().view(12, 2, 5, 5).double(),
    ),
    "tokens": (
        lambda: nn.Sequential(nn.Embedding(9, 5), nn.Linear(5, 4), nn.Flatten(), nn.Linear(12, 3)).double(),
        torch.arange(36).view(12, 3) * 7 % 9,
    ),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rule", ["all", "top_k", "largest_loss"])
@pytest.mark.parametrize("scope", ["layer", "model"])
def test_without_other_processes_global_is_local(network: str, rule: str, scope: Any) -> None:
    build, x = NETWORKS[network]
    found = []
    for selection in ("local", "global"):
        torch.manual_seed(0)
        model = build()
        dba = DynamicBatch(model, rule=rule, scope=scope, selection=selection)
        chosen = dba.backward(model(x).sin().sum(1))
        found.append((chosen.weights, [p.grad for p in model.parameters()]))
        if selection == "global":
            with pytest.raises(ValueError, match="metric is not known"):
                _ = chosen.metric_after
    torch.testing.assert_close(*found)
