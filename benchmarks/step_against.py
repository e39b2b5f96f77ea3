"""Is a training step slower than it was at another commit? The steps of two checkouts, taken in turn.

    git worktree add ../before COMMIT
    python benchmarks/step_against.py ../before [--config configs/mnist_1pct.yaml] [--steps 600] [--rounds 15]

Prints a table: for each number of threads and each optimizer of the config, the time of a step here, and the
median and quartiles of here over there; above 1, this checkout is slower. Nothing is written. Each
measurement is a ``dba run`` in a process of its own, and the seconds of training in its history.csv: any two
versions that write these can be compared, and loading, evaluations and files are left out. The two alternate.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pandas as pd
from harness import in_turn, ratio, say, table

HERE, THERE = CONTESTANTS = ("here", "there")
Found = dict[str, dict[str, list[float]]]  # optimizer, checkout: a measurement per round


def seconds(checkout: Path, config: Path, steps: int, threads: int) -> dict[str, float]:
    """Return each optimizer's seconds of so many steps, after as many that warm it up."""
    with tempfile.TemporaryDirectory(prefix="dba-step-") as results:
        command = [sys.executable, "-m", "dba_cli", "run", str(config), "--seed", "0", "--quiet"]
        command += [
            "--set",
            f"training={{epochs: null, steps: {2 * steps}, evaluation: {{epochs: null, steps: {steps}}}}}",
        ]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": str(checkout),
            "DBA_OFFLINE": "1",
        }
        command += ["--results", results]
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        histories = {path.parts[-3]: pd.read_csv(path) for path in Path(results).glob("*/*/*/history.csv")}
    return {optimizer: history["seconds"].diff().iloc[-1] for optimizer, history in histories.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("there", type=Path, help="The other checkout.")
    parser.add_argument("--config", type=Path, default=Path("configs/mnist_1pct.yaml"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    checkouts = {HERE: Path(__file__).parents[1], THERE: options.there.absolute()}
    rows = []
    for threads in options.threads:
        found: Found = defaultdict(lambda: defaultdict(list))

        def measure(who: str, threads: int = threads, found: Found = found) -> float:
            took = seconds(checkouts[who], options.config.absolute(), options.steps, threads)
            for optimizer, value in took.items():
                found[optimizer][who].append(value)
            return sum(took.values())

        for k, who, total in in_turn(CONTESTANTS, options.rounds, measure):
            say(f"{threads} threads, round {k + 1}, {who}: {total:.2f} s")
        for optimizer, by_checkout in found.items():
            frame = pd.DataFrame(by_checkout).iloc[1:]
            rows.append(
                {
                    "threads": threads,
                    "optimizer": optimizer,
                    "step here, ms": f"{1000 * frame[HERE].median() / options.steps:.3f}",
                    "step there, ms": f"{1000 * frame[THERE].median() / options.steps:.3f}",
                    "here / there": ratio(frame, HERE, THERE, digits=3),
                }
            )
    print(table(rows))


if __name__ == "__main__":
    main()
