"""What does a DBA step cost? Times and memory beside a plain step and beside the peers.

    python benchmarks/step_cost.py [--output results/bench] [--quick]

Writes to the output folder: step_cost.md (tables, with the targets), step_cost.png and .svg (ratio over batch
size), timings.csv (every single step), parts.csv, memory.csv and run.json. One core, float32, CPU. Every
ratio is of steps that alternate within this one run. Peers are optional: one that is not installed or
cannot take a network is listed as such. Memory is measured on Linux only.
"""

import json
import sys
import time
from collections.abc import Iterator

import pandas as pd
from contestants import CONTESTANTS, Materialised
from harness import arguments, environment, say
from measure import agreement, batch, build, interleaved, parts, peak_memory
from networks import NETWORKS
from report import write_report

OWN = [name for name, contestant in CONTESTANTS.items() if not issubclass(contestant, Materialised)]
MLP_SIZES = [50, 100, 200, 500, 1000, 2000]
SIZES = {name: MLP_SIZES if name.startswith("MLP") else MLP_SIZES[:4] for name in NETWORKS}
PEER_SIZES = [100, 200]
PARTS_SIZES = [100, 1000]
MEMORY_SIZES = {name: [200, 1000] if name == "MLP 784-800-10" else [200] for name in NETWORKS}


Row = dict[str, object]


def measured(quick: bool, rounds: int, peer_rounds: int, excluded: Row) -> Iterator[tuple[str, Row]]:
    """Yield everything that is measured, as the name of a table and a row of it.

    The peers that cannot take a network are put into ``excluded``, with the reason.
    """
    for network in NETWORKS:
        say(f"{network}: DBA beside a plain step")
        for n in SIZES[network][: 1 if quick else None]:
            contestants, _ = build(network, OWN)
            for k, name, seconds in interleaved(contestants, *batch(network, n), rounds=rounds):
                row = {"table": "own", "network": network, "n": n, "contestant": name, "round": k}
                yield "timings", row | {"seconds": seconds}
        say(f"{network}: the peers")
        for n in PEER_SIZES[: 1 if quick else None]:
            contestants, excluded[network] = build(network, list(CONTESTANTS))
            x, y = batch(network, n)
            for name, difference in agreement(contestants, x, y).items():
                row = {"network": network, "n": n, "contestant": name}
                yield "agreement", row | {"largest weight difference": difference}
            for k, name, seconds in interleaved(contestants, x, y, rounds=peer_rounds):
                row = {"table": "peers", "network": network, "n": n, "contestant": name, "round": k}
                yield "timings", row | {"seconds": seconds}
        for n in PARTS_SIZES[: 1 if quick or not network.startswith("MLP") else None]:
            for k, part, seconds in parts(network, n, rounds):
                yield "parts", {"network": network, "n": n, "part": part, "round": k, "seconds": seconds}
        say(f"{network}: memory")
        for n in MEMORY_SIZES[network] if not quick and sys.platform == "linux" else []:
            for name in contestants if n in PEER_SIZES else OWN:
                row = {"network": network, "n": n, "contestant": name}
                yield "memory", row | peak_memory(network, n, name)


def main() -> None:
    """Measure everything and write the report."""
    options = arguments(__doc__)
    rounds, peer_rounds = (2, 2) if options.quick else (41, 9)
    began, excluded = time.perf_counter(), {}
    tables: dict[str, list[Row]] = {"timings": [], "parts": [], "memory": [], "agreement": []}
    for name, row in measured(options.quick, rounds, peer_rounds, excluded):
        tables[name].append(row)
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    for name, frame in frames.items():
        frame.to_csv(options.output / f"{name}.csv", index=False)
    run = environment() | {"rounds": rounds, "peer_rounds": peer_rounds, "excluded": excluded}
    run["minutes"] = round((time.perf_counter() - began) / 60, 1)
    (options.output / "run.json").write_text(json.dumps(run, indent=2) + "\n")
    write_report(options.output, frames, run)
    say(f"wrote {options.output / 'step_cost.md'}")


if __name__ == "__main__":
    main()
