"""What does a DBA step cost? Times and memory beside a plain step and beside the peers.

    python benchmarks/step_cost.py [--output results/bench] [--networks NAME ...] [--parts PART ...] [--quick]

Writes to the output folder: step_cost.md (tables, with the targets), step_cost.png and .svg (ratio over batch
size), timings.csv (every single step), memory.csv, agreement.csv and run.json. With ``--networks`` and
``--parts`` (own, rules, peers, memory), only they are measured, and other rows stay as they are: the whole
can be measured in pieces. One core,
float32, CPU. Every ratio is of steps that alternate within one run. Peers are optional: one that is not
installed or cannot take a network is listed as such. Memory is measured on Linux only.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from contestants import BY_RULE, CLIPPING, SAME_QUANTITY
from harness import arguments, environment, say
from measure import agreement, build, interleaved, peak_memory
from networks import NETWORKS
from report import write_report

OWN = ["plain", "dba", "plain (BLAS)", "dba (BLAS)"]
RULES = {
    "MLP 784-100-10": [32, 128, 1000, 2000, 4000],
    "GPT 4 x 128": [32],
    "resnet18-GN (torchvision)": [32],
}
PEERS = {"MLP 784-100-10": 128, "MLP 784-800-10": 128, "small CNN": 128, "GPT 4 x 128": 8}
SLOW = {"dba: greedy", "dba: gradmatch", "dba: facility_location"}
LARGEST_SLOW = 1000
PARTS = ["own", "rules", "peers", "memory"]
TABLES = ("timings", "memory", "agreement")


Row = dict[str, object]


def measured(
    names: Sequence[str], parts: Sequence[str], quick: bool, excluded: dict[str, dict[str, str]]
) -> Iterator[tuple[str, Row]]:
    """Yield everything that is measured, as the name of a table and a row of it.

    Contestants that cannot take a network are put into ``excluded``, with the reason.
    """

    def times(which: str, network: str, n: int, contestants: Sequence[str]) -> Iterator[tuple[str, Row]]:
        built, out = build(network, contestants)
        excluded.setdefault(network, {}).update(out)
        if len(built) < 2 or "plain" not in built:
            return
        x, y = NETWORKS[network].batch(n)
        case = {"network": network, "n": n}
        if which == "peers":
            for name, difference in agreement(built, x, y).items():
                yield "agreement", case | {"contestant": name, "largest weight difference": difference}
        began = time.perf_counter()
        for contestant in built.values():
            contestant(x, y)
        # As many rounds as five seconds hold, within limits.
        rounds = 2 if quick else int(min(41, max(5, 5 // (time.perf_counter() - began))))
        for k, name, seconds in interleaved(built, x, y, rounds):
            yield "timings", {"table": which} | case | {"contestant": name, "round": k, "seconds": seconds}

    for network in names:
        say(f"{network}: DBA beside a plain step")
        for n in list(NETWORKS[network].targets if "own" in parts else [])[: 1 if quick else None]:
            yield from times("own", network, n, OWN)
        say(f"{network}: rules, peers, memory")
        for n in (RULES.get(network, []) if "rules" in parts else [])[: 1 if quick else None]:
            rules = [name for name in BY_RULE if n <= LARGEST_SLOW or name not in SLOW]
            yield from times("rules", network, n, ["plain", *rules])
        if network in PEERS and "peers" in parts:
            peers = ["plain", "dba", "vmap", "opacus", "backpack", SAME_QUANTITY, CLIPPING]
            yield from times("peers", network, 2 if quick else PEERS[network], peers)
        if "memory" in parts and not quick and sys.platform == "linux":
            n = NETWORKS[network].memory
            found = {
                name: peak_memory(network, n, name)
                for name in ("plain", "dba")
                if not out_of(excluded, network, name)
            }
            for name, values in found.items():
                yield "memory", {"network": network, "n": n, "contestant": name} | values


def out_of(excluded: dict[str, dict[str, str]], network: str, name: str) -> bool:
    """Whether the contestant cannot take the network."""
    return name in excluded.get(network, {})


def main() -> None:
    """Measure, put the rows in the place of older ones of the same networks, and write the report."""
    some = {"nargs": "+", "choices": NETWORKS, "default": list(NETWORKS), "metavar": "NAME"}
    options = arguments(__doc__, networks=some, parts={"nargs": "+", "choices": PARTS, "default": PARTS})
    folder: Path = options.output
    began, excluded = time.perf_counter(), {}
    found: dict[str, list[Row]] = {name: [] for name in TABLES}
    for name, row in measured(options.networks, options.parts, options.quick, excluded):
        found[name].append(row)
    took = {"minutes": round((time.perf_counter() - began) / 60, 1)}
    run = json.loads((folder / "run.json").read_text()) if (folder / "run.json").exists() else {}
    runs = {name: value for name, value in run.items() if name in NETWORKS}
    for name in options.networks:
        out = {} if set(options.parts) == set(PARTS) else runs.get(name, {}).get("excluded", {})
        out = out | excluded.get(name, {})
        runs[name] = environment() | {"excluded": out, "measured with": options.networks} | took
    (folder / "run.json").write_text(json.dumps(runs, indent=2) + "\n")
    frames = {}
    for name, rows in found.items():
        file = folder / f"{name}.csv"
        kept = pd.read_csv(file).to_dict("records") if file.exists() else []
        part = {"memory": "memory", "agreement": "peers"}.get(name)
        both = pd.DataFrame(
            [
                row
                for row in kept
                if row["network"] not in options.networks or row.get("table", part) not in options.parts
            ]
            + rows
        )
        if both.empty:
            frames[name] = both
            continue
        places = both["network"].map(list(NETWORKS).index)
        frames[name] = both.iloc[places.argsort(kind="stable")]
        frames[name].to_csv(file, index=False)
    write_report(folder, frames, runs)
    say(f"wrote {folder / 'step_cost.md'}")


if __name__ == "__main__":
    main()
