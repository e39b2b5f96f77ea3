"""What does a DBA step cost under torch.compile?

    python benchmarks/compiled_step.py [--output results/bench] [--quick]

Writes to the output folder: compiled_step.md (table) and compiled_step.csv (every timing). One core, CPU,
float32. A model is compiled as a whole, or with its layers kept out of the graphs, and a step is forward,
backward and an SGD update. All ways take turns within one execution.
"""

import time
from collections.abc import Iterator

import harness
import pandas as pd
import torch
from networks import NETWORKS
from torch import nn

from dba_cli import DynamicBatch

CASES = [("MLP 784-100-10", 32), ("GPT 4 x 128", 16)]
EAGER, BOTH = "eager", (False, True)
WHOLE, OUTSIDE = COMPILED = ("the whole model", "what is between layers")
NAMES = ["plain, eager", "DBA, eager", "plain, compiled", "DBA, compiled"]
LAYERS = (nn.Linear, nn.Embedding, nn.LayerNorm)


class Contestant:
    """A network that is run in one way, by a plain step or by DBA's."""

    def __init__(self, network: str, n: int, way: str, *, dba: bool) -> None:
        torch.manual_seed(0)
        model = NETWORKS[network].build()
        self.x, self.y = NETWORKS[network].batch(n)
        self.losses = NETWORKS[network].losses
        if way == OUTSIDE:
            for layer in model.modules():
                if isinstance(layer, LAYERS):
                    layer.forward = torch.compiler.disable(layer.forward)
        self.model = model if way == EAGER else torch.compile(model)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        self.dba = DynamicBatch(model) if dba else None

    def step(self) -> float:
        """Take a step; return its seconds."""
        start = time.perf_counter()
        losses = self.losses(self.model(self.x), self.y)
        self.optimizer.zero_grad()
        if self.dba is None:
            losses.mean().backward()
        else:
            self.dba.backward(losses)
        self.optimizer.step()
        return time.perf_counter() - start


def measured(rounds: int) -> Iterator[dict[str, object]]:
    """Yield the seconds of every step, and what was compiled for it."""
    DynamicBatch(nn.Linear(1, 1))  # before anything is compiled, so that plain steps are compiled as DBA's
    for network, n in CASES:
        for way in COMPILED:
            harness.say(f"{network}, n = {n}, {way}")
            # What is said of a function's code, compiled or not worth it, holds for all models that run it.
            torch.compiler.reset()
            counters = torch._dynamo.utils.counters
            counters.clear()
            contestants = {(w, dba): Contestant(network, n, w, dba=dba) for w in (way, EAGER) for dba in BOTH}
            first = {who: one.step() for who, one in contestants.items()}
            graphs, breaks = counters["stats"]["unique_graphs"], sum(counters["graph_break"].values())
            turns = harness.in_turn(list(contestants), rounds, lambda who, c=contestants: c[who].step())
            for k, (w, dba), seconds in turns:
                yield {
                    "network": network, "n": n, "compiled": way, "graphs": graphs, "breaks": breaks,
                    "first": first[way, False], "round": k, "seconds": seconds,
                    "contestant": f"{'DBA' if dba else 'plain'}, {'eager' if w == EAGER else 'compiled'}",
                }  # fmt: skip


def report(frame: pd.DataFrame, conditions: str) -> str:
    """Return the table."""
    rows = []
    for (network, n, way), case in frame.groupby(["network", "n", "compiled"], sort=False):
        seconds = harness.wide(case)
        middle = {name: f"{1000 * value:.2f}" for name, value in seconds.median().items()}
        rows.append(
            {
                "network": network,
                "n": n,
                "what is compiled": way,
                "graphs": case["graphs"].iloc[0],
                "breaks": case["breaks"].iloc[0],
                "first step, s": f"{case['first'].iloc[0]:.1f}",
                **{f"{name}, ms": middle[name] for name in NAMES},
                "DBA / plain, eager": harness.ratio(seconds, "DBA, eager", "plain, eager"),
                "DBA / plain, compiled": harness.ratio(seconds, "DBA, compiled", "plain, compiled"),
            }
        )
    return f"""# A DBA step under torch.compile

Regenerate with `python benchmarks/compiled_step.py`. CPU, one thread, float32, DBA (snr, alignment, at least
a quarter, per layer), torch.compile with its default settings. Ratios are medians over
{frame["round"].nunique()} rounds in which compiled and eager steps alternate, with the quartiles in brackets.
Kept out of the graphs are Linear, Embedding and LayerNorm. The first plain step is the one that compiles.

{conditions}

{harness.table(rows)}
"""


if __name__ == "__main__":
    options = harness.arguments(__doc__)
    harness.main(options, measured(3 if options.quick else 15), report)
