"""Timings in one process, interleaved; memory in a process of its own for each contestant."""

import gc
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from contestants import CONTESTANTS, Contestant
from harness import in_turn
from networks import NETWORKS
from torch import Tensor


def build(network: str, names: Sequence[str]) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Contestants with equal parameters, and the reasons why the others cannot take part."""
    torch.manual_seed(0)
    model = NETWORKS[network].build()
    x, y = NETWORKS[network].batch(4)
    built, excluded = {}, {}
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                CONTESTANTS[name](model, NETWORKS[network].losses)(x, y)
                built[name] = CONTESTANTS[name](model, NETWORKS[network].losses)
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
        if theirs.keys() == ours.keys()
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
    x, y = NETWORKS[network].batch(n)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _resident("VmRSS")
    for _ in range(5):
        built[name](x, y)
    print(json.dumps({"total": _resident("VmHWM"), "steps": _resident("VmHWM") - before}))


if __name__ == "__main__":
    _measure_memory(sys.argv[1], int(sys.argv[2]), sys.argv[3])
