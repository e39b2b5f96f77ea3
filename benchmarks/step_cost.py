"""What does a DBA step cost? Times and memory beside a plain step and beside the peers.

    python benchmarks/step_cost.py [--output results/bench] [--quick]

Writes to the output folder: step_cost.md (tables, with the targets), step_cost.png and .svg (ratio over batch
size), timings.csv (every single step), parts.csv, memory.csv and run.json. One core, float32, CPU. Every
ratio is of steps that alternate within this one run. Peers are optional: one that is not installed or
cannot take a network is listed as such. Memory is measured on Linux only.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
from contestants import CONTESTANTS
from measure import agreement, batch, build, interleaved, parts, peak_memory
from networks import NETWORKS
from report import write_report

OWN = ["plain", "dba", "dba (BLAS)"]
MLP_SIZES = [50, 100, 200, 500, 1000, 2000]
SIZES = {name: MLP_SIZES if name.startswith("MLP") else MLP_SIZES[:4] for name in NETWORKS}
PEER_SIZES = [100, 200]
PARTS_SIZES = [100, 1000]
MEMORY_SIZES = {name: [200, 1000] if name == "MLP 784-800-10" else [200] for name in NETWORKS}


def main() -> None:
    """Measure everything and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("results/bench"))
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, smallest batches: does it run at all?"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rounds, peer_rounds = (2, 2) if options.quick else (41, 9)
    began = time.perf_counter()
    tables: dict[str, list[dict[str, object]]] = {"timings": [], "parts": [], "memory": [], "agreement": []}
    excluded: dict[str, dict[str, str]] = {}
    for network in NETWORKS:
        say(f"{network}: DBA beside a plain step")
        for n in SIZES[network][: 1 if options.quick else None]:
            contestants, _ = build(network, OWN)
            for k, name, seconds in interleaved(contestants, *batch(network, n), rounds=rounds):
                row = {"table": "own", "network": network, "n": n, "contestant": name, "round": k}
                tables["timings"].append({**row, "seconds": seconds})
        say(f"{network}: the peers")
        for n in PEER_SIZES[: 1 if options.quick else None]:
            contestants, excluded[network] = build(network, list(CONTESTANTS))
            x, y = batch(network, n)
            for name, difference in agreement(contestants, x, y).items():
                row = {"network": network, "n": n, "contestant": name}
                tables["agreement"].append({**row, "largest weight difference": difference})
            for k, name, seconds in interleaved(contestants, x, y, rounds=peer_rounds):
                row = {"table": "peers", "network": network, "n": n, "contestant": name, "round": k}
                tables["timings"].append({**row, "seconds": seconds})
        for n in PARTS_SIZES[: 1 if options.quick or not network.startswith("MLP") else None]:
            for k, part, seconds in parts(network, n, rounds):
                tables["parts"].append(
                    {"network": network, "n": n, "part": part, "round": k, "seconds": seconds}
                )
        say(f"{network}: memory")
        for n in MEMORY_SIZES[network] if not options.quick and sys.platform == "linux" else []:
            for name in contestants if n in PEER_SIZES else OWN:
                row = {"network": network, "n": n, "contestant": name}
                tables["memory"].append({**row, **peak_memory(network, n, name)})
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    for name, frame in frames.items():
        frame.to_csv(options.output / f"{name}.csv", index=False)
    run = environment() | {"rounds": rounds, "peer_rounds": peer_rounds, "excluded": excluded}
    run["minutes"] = round((time.perf_counter() - began) / 60, 1)
    (options.output / "run.json").write_text(json.dumps(run, indent=2) + "\n")
    write_report(options.output, frames, run)
    say(f"wrote {options.output / 'step_cost.md'}")


def say(line: str) -> None:
    """Tell how far the run is."""
    print(line, flush=True)


def environment() -> dict[str, object]:
    """What the figures depend on."""
    names = ["torch", "numpy", "opacus", "backpack-for-pytorch"]
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), cpu)
    return {
        "versions": {"python": platform.python_version(), **{n: installed(n) for n in names}},
        "cpu": cpu,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "platform": platform.system() + " " + platform.machine(),
        "threads": torch.get_num_threads(),
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def installed(name: str) -> str:
    """Version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
