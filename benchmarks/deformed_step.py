"""What does a step on deformed images cost? Steps of the trainer on deformed copies beside plain ones.

    python benchmarks/deformed_step.py [--output results/bench] [--quick]

Writes to the output folder: deformed_step.md (table, with the target) and deformed_step.csv (every timing).
One core, CPU, MLP 784-800-10, 600 random images, batches of 256, the deformations of configs/deformed.yaml.
Every ratio is of short trainings that alternate within this one execution.
"""

from collections.abc import Iterator
from pathlib import Path

import harness
import pandas as pd
import torch

from dba_cli.config import OptimizerConfig, load
from dba_cli.training import DeformedImages, TensorData

BATCH, WIDTH, STEPS, TARGET = 256, 800, 40, 1.3
CONFIG = Path(__file__).parents[1] / "configs/mnist_1pct_deformed.yaml"
OPTIMIZERS = {"SGD, momentum": harness.ENTRIES["sgd, momentum"], "Adam": harness.ENTRIES["adam"]}


def measured(rounds: int) -> Iterator[dict[str, object]]:
    """Yield the seconds of plain and deformed steps, for each optimizer and precision."""
    deformation = load(CONFIG).training.deformation
    assert deformation is not None
    plain = harness.images(0)
    deformed = DeformedImages(plain.images, plain.labels, deformation, torch.Generator().manual_seed(0))
    data: dict[str, TensorData | DeformedImages] = {"plain": plain, "deformed": deformed}
    for precision in ("float32", "bfloat16"):
        for name, entry in OPTIMIZERS.items():
            harness.say(f"{precision}, {name}")

            def seconds(who: str, entry: OptimizerConfig = entry, precision: str = precision) -> float:
                dtype = getattr(torch, precision)
                trained = harness.training(
                    entry, harness.network(WIDTH), data[who], STEPS, BATCH, precision=dtype
                )
                trained.advance()
                return trained.seconds

            for k, who, t in harness.in_turn(tuple(data), rounds, seconds):
                head = {"precision": precision, "optimizer": name, "contestant": who}
                yield head | {"round": k, "seconds": t}


def report(frame: pd.DataFrame, conditions: str) -> str:
    """Return the table."""
    rows = []
    for (precision, name), case in frame.groupby(["precision", "optimizer"], sort=False):
        seconds = harness.wide(case)
        step = 1000 * seconds.median() / STEPS
        rows.append(
            {
                "precision": precision,
                "optimizer": name,
                "plain step, ms": f"{step['plain']:.2f}",
                "deformed step, ms": f"{step['deformed']:.2f}",
                "deformed / plain": harness.ratio(seconds, "deformed", "plain"),
                "target": harness.verdict((seconds["deformed"] / seconds["plain"]).median(), TARGET),
            }
        )
    return f"""# Cost of a step on deformed images

Regenerate with `python benchmarks/deformed_step.py`. CPU, one thread, MLP 784-{WIDTH}-10, {harness.N} images,
batches of {BATCH}; the trainer's own steps, from the images to the update, on copies deformed as
configs/deformed.yaml says and on the images themselves. Ratios are medians over
{frame["round"].nunique()} rounds of {STEPS} steps in which the two alternate, with the quartiles in brackets.

{conditions}

{harness.table(rows)}
"""


if __name__ == "__main__":
    options = harness.arguments(__doc__)
    harness.main(options, measured(2 if options.quick else 21), report)
