"""Timings in one process, interleaved; memory in a process of its own for each contestant."""

import gc
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from contestants import CONTESTANTS, MIN_FRACTION, Contestant
from harness import in_turn
from networks import NETWORKS
from torch import Tensor

from dba_cli import DynamicBatch

PARTS = ("forward", "backward to outputs", "Gram", "selection", "weighted gradient", "optimizer")


def batch(network: str, n: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels, the same for every contestant."""
    torch.manual_seed(0)
    return NETWORKS[network].inputs(n), torch.randint(0, 10, (n,))


def build(network: str, names: Sequence[str]) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Contestants with equal parameters, and the reasons why the others cannot take part."""
    torch.manual_seed(0)
    model = NETWORKS[network].build()
    x, y = batch(network, 4)
    built, excluded = {}, {}
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                contestant = CONTESTANTS[name](model)
                contestant(x, y)
                built[name] = CONTESTANTS[name](model)
            except Exception as error:
                excluded[name] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    return built, excluded


def agreement(contestants: dict[str, Contestant], x: Tensor, y: Tensor) -> dict[str, float]:
    """Largest difference of any sample weight to that of ``dba``, in a first step from equal parameters."""
    weights = {name: contestant(x, y) for name, contestant in contestants.items() if "plain" not in name}
    ours = weights["dba"]
    return {
        name: max(float((theirs[layer] - ours[layer]).abs().max()) for layer in ours)
        for name, theirs in weights.items()
    }


def interleaved(
    contestants: dict[str, Contestant], x: Tensor, y: Tensor, rounds: int
) -> Iterator[tuple[int, str, float]]:
    """Return the seconds of every contestant's step in every round."""

    def seconds(name: str) -> float:
        start = time.perf_counter()
        contestants[name](x, y)
        return time.perf_counter() - start

    return in_turn(list(contestants), rounds, seconds)


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[part] = time.perf_counter() - start


def parts(network: str, n: int, rounds: int) -> Iterator[tuple[int, str, float]]:
    """Seconds of each part of a DBA step, taken apart by hand."""
    torch.manual_seed(0)
    model = NETWORKS[network].build()
    x, y = batch(network, n)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    dba = DynamicBatch(model, metric="snr", order="alignment", min_fraction=MIN_FRACTION)
    for k in range(-3, rounds):
        seconds: dict[str, float] = {}
        optimizer.zero_grad()
        with _timed(seconds, "forward"):
            losses = F.cross_entropy(model(x), y, reduction="none")
        with torch.no_grad():
            with _timed(seconds, "backward to outputs"):
                layers, _ = dba._tracer.layers(losses, retain_graph=False)
            with _timed(seconds, "Gram"):
                problem = dba._problem_of(layers=layers, losses=losses.detach(), dtype=torch.float32)
                _ = problem.gram
            with _timed(seconds, "selection"):
                weights = dba._rule(problem)
            with _timed(seconds, "weighted gradient"):
                for row, layer in zip(weights, layers, strict=True):
                    for parameter, gradient in layer.gradients.weighted_sum(row).items():
                        parameter.grad = gradient
        with _timed(seconds, "optimizer"):
            optimizer.step()
        if k >= 0:
            yield from ((k, part, seconds[part]) for part in PARTS)


def peak_memory(network: str, n: int, name: str) -> dict[str, float]:
    """Peak resident memory in MiB of a process that takes five steps: in all, and above what stood before."""
    command = [sys.executable, str(Path(__file__)), network, str(n), name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _resident(field: str) -> float:
    # The peak that getrusage() knows is inherited from the parent process; this one is not. (Linux only.)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def _measure_memory(network: str, n: int, name: str) -> None:
    torch.set_num_threads(1)
    built, _ = build(network, [name])
    x, y = batch(network, n)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _resident("VmRSS")
    for _ in range(5):
        built[name](x, y)
    print(json.dumps({"total": _resident("VmHWM"), "steps": _resident("VmHWM") - before}))


if __name__ == "__main__":
    _measure_memory(sys.argv[1], int(sys.argv[2]), sys.argv[3])
