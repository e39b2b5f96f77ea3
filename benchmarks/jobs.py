"""How many more runs an hour do --jobs 2 give than --jobs 1?

    python benchmarks/jobs.py [--output results/bench] [--jobs 2] [--quick]

Writes to the output folder: jobs.md (table, with the target) and jobs.csv (every timing). The sweep is that
of SGD, Adam and DBA on 100 images per class of the embedded sample, 784-100-10, with all that a run brings:
locks, progress, evaluations, records. Every ratio is of sweeps that alternate within this one execution, on
a machine that must do nothing else. Starting the workers is not part of it, and told beside it.
"""

import argparse
import os
import shutil
import tempfile
import time
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
from report import verdict
from stacked_seeds import Silent, ratio
from step_cost import environment, say

from dba_cli.config import Config
from dba_cli.experiments import RunLabel, Settings, Workers, run_experiments
from dba_cli.records import FailureRecord, RunRecord

TARGET = 1.8


class Nobody(Silent):
    """A reporter that looks away; its observers do too."""

    def notice(self, line: str) -> None:
        """Do nothing."""

    def planned(self, name: str, todo: int, done: int) -> None:
        """Do nothing."""

    def started(self, label: RunLabel) -> Silent:
        """Return who watches the run."""
        return self

    def finished(self, label: RunLabel, record: RunRecord) -> None:
        """Do nothing."""

    def failed(self, label: RunLabel, failure: FailureRecord) -> None:
        """A failed run is no measurement."""
        raise RuntimeError(failure.error)

    def elsewhere(self, label: RunLabel) -> None:
        """Do nothing."""


def config(seeds: int, epochs: int) -> Config:
    """The sweep's only point."""
    optimizers = [
        {"name": "sgd", "kind": "sgd", "lr": 0.1},
        {"name": "adam", "kind": "adam"},
        {"name": "dba", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}},
    ]
    return Config.model_validate(
        {
            "experiment": {"name": "jobs"},
            "data": {"source": "embedded", "draw": {"per_class": 100}},
            "model": {"kind": "mlp", "hidden": [100]},
            "training": {"epochs": epochs, "batch_size": 100, "evaluation": {"epochs": 20}},
            "optimizers": optimizers,
            "seeds": list(range(seeds)),
        }
    )


def seconds(what: Config, jobs: int) -> float:
    """Return the wall time of all runs with ``jobs`` workers, into a folder that is thrown away."""
    folder = Path(tempfile.mkdtemp(prefix="dba-jobs-"))
    settings = Settings(folder, folder / "results", torch.device("cpu"), workers=Workers(jobs))
    try:
        began = time.perf_counter()
        records = run_experiments([what], settings, Nobody()).records
        took = time.perf_counter() - began
    finally:
        shutil.rmtree(folder)
    assert len(records) == 3 * len(what.seeds)
    return took


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("results/bench"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="One short round, to see that it runs.")
    chosen = parser.parse_args()
    many = chosen.jobs
    sizes = [config(2, 20)] if chosen.quick else [config(8, 150), config(24, 150)]
    before = environment()
    start = seconds(config(1, 1), many)  # the workers start here, and stay
    warm = seconds(config(1, 1), many)
    rows = []
    for round_, what in product(range(1 if chosen.quick else 3), sizes):
        runs = len(what.optimizers) * len(what.seeds)
        took = {jobs: seconds(what, jobs) for jobs in ((1, many) if round_ % 2 == 0 else (many, 1))}
        rows += [{"runs": runs, "round": round_, "jobs": jobs, "seconds": took[jobs]} for jobs in (1, many)]
        say(f"round {round_ + 1}, {runs} runs: --jobs 1 {took[1]:.1f} s, --jobs {many} {took[many]:.1f} s")
    chosen.output.mkdir(parents=True, exist_ok=True)
    timings = pd.DataFrame(rows)
    timings.to_csv(chosen.output / "jobs.csv", index=False, float_format="%.4f")
    (chosen.output / "jobs.md").write_text(text(timings, many, start - warm, before), encoding="utf-8")
    say(f"wrote {chosen.output / 'jobs.md'}")


def text(timings: pd.DataFrame, many: int, start: float, before: dict[str, object]) -> str:
    """The table and what its figures depend on."""
    rows = []
    for runs, of_size in timings.groupby("runs"):
        wide = of_size.pivot(index="round", columns="jobs", values="seconds")
        rows.append(
            {
                "runs": runs,
                "--jobs 1, s": f"{wide[1].median():.1f}",
                f"--jobs {many}, s": f"{wide[many].median():.1f}",
                "throughput": ratio(wide, 1, many),
                "target": verdict(float((wide[1] / wide[many]).median()), TARGET, at_least=True),
            }
        )
    versions = before["versions"]
    assert isinstance(versions, dict)
    return f"""# Runs side by side

Regenerate with `python benchmarks/jobs.py`. Runs of MLP 784-100-10 on 1 000 images (SGD, Adam and DBA, a
third each), with their locks, evaluations and records; one thread each. The ratio is the median over
{timings["round"].nunique()} rounds in which the two alternate, with the quartiles in brackets. Starting
{many} workers took {start:.1f} s more, once per command. At the end of a sweep a worker waits for the
other's last run: with few runs that is a share of the whole, and with many it is not.

{before["cpu"]}, {os.cpu_count()} cores, {before["platform"]}; python {versions["python"]},
torch {versions["torch"]}. Load average when it began {before["load_average"]}, when it ended
{environment()["load_average"]}.

{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}
"""


if __name__ == "__main__":
    main()
