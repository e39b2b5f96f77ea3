"""Are the samples' gradients of other people's networks exact, by which way, and what does a step cost?

    python benchmarks/exactness.py [--output results/bench] [--quick]

Writes to the output folder: networks.md (table) and networks.csv (errors of every network, and every timing).
One core, CPU. The networks are those of ``tools/zoo.py``; those of timm, transformers and peft need the extra
``zoo`` and are left out without it.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for tools, which is no part of the package

import harness
import pandas as pd
import torch

from dba_cli import DynamicBatch
from tools import zoo

N = 32
PLAIN, DBA = CONTESTANTS = ("plain", "dba")
SINGLE = ("Llama", "Qwen2", "T5")  # these compute parts in float32, whatever their parameters are


def step_of(name: str, contestant: str) -> Callable[[int], float]:
    """Return what makes a step, forward to optimizer, and says how many seconds it took."""
    model, losses_of = zoo.build(name, torch.float32, N)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    dba = DynamicBatch(model, coupled="exact" if "coupled" in name else "refuse")

    def seconds(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            losses = losses_of(model)
            if contestant == DBA:
                dba.backward(losses)
            else:
                losses.mean().backward()
            optimizer.step()
        return (time.perf_counter() - start) / steps

    return seconds


def measured(rounds: int) -> Iterator[dict[str, object]]:
    """Yield the errors of each network, and the seconds of a step with and without DBA."""
    for name in zoo.NETWORKS:
        if find_spec(name.partition(":")[0]) is None and not name.startswith("by hand"):
            harness.say(f"left out, not installed: {name}")
            continue
        harness.say(name)
        dtype = torch.float32 if any(part in name for part in SINGLE) else torch.float64
        found = zoo.agreement(name, dtype)
        errors = {
            "network": name,
            "dtype": str(dtype).removeprefix("torch."),
            "error": found.weighted,
            "error of all": found.mean,
            "per sample at": " ".join(found.general),
        }
        steps = {who: step_of(name, who) for who in CONTESTANTS}
        count = max(1, int(0.02 / steps[PLAIN](3)))
        for k, who, t in harness.in_turn(CONTESTANTS, rounds, lambda who, s=steps, c=count: s[who](c)):
            yield {**errors, "contestant": who, "round": k, "seconds": t}


def report(frame: pd.DataFrame, conditions: str) -> str:
    """Return the table."""
    rows = []
    for name, case in frame.groupby("network", sort=False):
        first, seconds = case.iloc[0], harness.wide(case)
        error, mean = float(first["error"]), float(first["error of all"])
        nodes = first["per sample at"].replace("Backward0", "").replace("Backward", "")
        limit = 1e-9 if first["dtype"] == "float64" else 1e-4
        rows.append(
            {
                "network": name,
                "exact": "yes" if max(error, mean) < limit else "**no**",
                "error": f"{error:.0e}",
                'error of "all"': f"{mean:.0e}",
                "in": first["dtype"],
                "how": f"per sample at {nodes.replace(' ', ', ')}" if nodes else "where parameters are used",
                f"DBA / plain, n = {N}": harness.ratio(seconds, DBA, PLAIN),
            }
        )
    return f"""# Other people's networks

Regenerate with `python benchmarks/exactness.py`. CPU, one thread. Small networks of each kind without
trained weights, in training mode as they come, dropout and stochastic depth on (`tools/zoo.py`). Errors are
the largest over parameters, relative to the samples' mean norm: of the gradient that is written, in the
second step, against a loop over the losses with one `autograd.grad` each on the same graph, and of
`rule="all"` against `losses.mean().backward()`. In float32 where the network computes parts in it whatever
its parameters are. Steps of {N} samples, float32, default rule, in turn; medians and quartiles over
{frame["round"].nunique()} rounds. Networks so small show the fixed cost of a step; larger ones are in
[step_cost.md](step_cost.md).
How is said of the type in the column before it.

{conditions}

{harness.table(rows)}
"""


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    options = harness.arguments(__doc__)
    harness.main(options, measured(3 if options.quick else 9), report, "networks")
