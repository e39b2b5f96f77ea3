"""How many more runs an hour do --jobs 2 give than --jobs 1?

    python benchmarks/jobs.py [--output results/bench] [--jobs 2] [--quick]

Writes to the output folder: jobs.md (table, with the target) and jobs.csv (every timing). The sweep is that
of SGD, Adam and DBA on 100 images per class of the embedded sample, 784-100-10, with all that a run brings:
locks, progress, evaluations, records. Every ratio is of sweeps that alternate within this one execution, on
a machine that must do nothing else. Starting the workers is not part of it, and told beside it.
"""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from harness import ENTRIES, arguments, in_turn, main, ratio, say, table, verdict, wide

from dba_cli.config import Config
from dba_cli.experiments import Reporter, Settings, run_experiments

TARGET = 1.8


def config(seeds: int, epochs: int) -> Config:
    """Return the sweep's only point."""
    return Config.model_validate(
        {
            "experiment": {"name": "jobs"},
            "data": {"source": "embedded", "draw": {"per_class": 100}},
            "model": {"kind": "mlp", "hidden": [100]},
            "training": {"epochs": epochs, "batch_size": 100, "evaluation": {"epochs": 20}},
            "optimizers": [ENTRIES[name].model_dump() for name in ("sgd", "adam", "dba")],
            "seeds": list(range(seeds)),
        }
    )


def seconds(what: Config, jobs: int) -> float:
    """Return the wall time of all runs with ``jobs`` workers, into a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="dba-jobs-") as name:
        folder = Path(name)
        settings = Settings(folder, folder / "results", torch.device("cpu"), jobs=jobs)
        began = time.perf_counter()
        summary = run_experiments([what], settings, Reporter())
        took = time.perf_counter() - began
    assert len(summary.records) == 3 * len(what.seeds), summary.failures
    return took


def measured(many: int, rounds: int, sizes: list[Config]) -> Iterator[dict[str, object]]:
    """Yield the seconds of each sweep, and with them what starting the workers took."""
    start = seconds(config(1, 1), many)  # the workers start here, and stay
    start -= seconds(config(1, 1), many)
    for what in sizes:
        runs = len(what.optimizers) * len(what.seeds)
        for k, jobs, took in in_turn((1, many), rounds, partial(seconds, what), warm_up=0):
            say(f"round {k + 1}, {runs} runs: --jobs {jobs} {took:.1f} s")
            yield {"runs": runs, "round": k, "jobs": jobs, "seconds": took, "start": start}


def report(timings: pd.DataFrame, conditions: str) -> str:
    """Return the table."""
    rows, many = [], timings["jobs"].max()
    for runs, of_size in timings.rename(columns={"jobs": "contestant"}).groupby("runs"):
        took = wide(of_size)
        rows.append(
            {
                "runs": runs,
                "--jobs 1, s": f"{took[1].median():.1f}",
                f"--jobs {many}, s": f"{took[many].median():.1f}",
                "throughput": ratio(took, 1, many),
                "target": verdict((took[1] / took[many]).median(), TARGET, at_least=True),
            }
        )
    return f"""# Runs side by side

Regenerate with `python benchmarks/jobs.py`. Runs of MLP 784-100-10 on 1 000 images (SGD, Adam and DBA, a
third each), with their locks, evaluations and records; one thread each. The ratio is the median over
{timings["round"].nunique()} rounds in which the two alternate, with the quartiles in brackets. Starting
{many} workers took {timings["start"].max():.1f} s more, once per command. At the end of a sweep a worker
waits for the other's last run: with few runs that is a share of the whole, and with many it is not.

{conditions}

{table(rows)}
"""


if __name__ == "__main__":
    options = arguments(__doc__, jobs=2)
    sizes = [config(2, 20)] if options.quick else [config(8, 150), config(24, 150)]
    main(options, measured(options.jobs, 1 if options.quick else 3, sizes), report)
