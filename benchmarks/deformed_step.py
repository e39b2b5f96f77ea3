"""What does a step on deformed images cost? Steps of the trainer on deformed copies beside plain ones.

    python benchmarks/deformed_step.py [--output results/bench] [--quick]

Writes to the output folder: deformed_step.md (table, with the target) and deformed_step.csv (every timing).
One core, CPU, MLP 784-800-10, 600 random images, batches of 256, the deformations of configs/deformed.yaml.
Every ratio is of short trainings that alternate within this one execution.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
from report import verdict
from stacked_seeds import N, Silent, images, in_turn, ratio
from step_cost import environment, say
from torch import nn

from dba_cli.config import AdamConfig, OptimizerConfig, ScheduleConfig, SGDConfig, load
from dba_cli.data import DeformedImages
from dba_cli.training import (
    Learning,
    TensorData,
    Timeline,
    TrainingSamples,
    build_optimizer,
    build_scheduler,
    mean_gradient,
    train,
)

BATCH, WIDTH, STEPS, TARGET = 256, 800, 40, 1.3
CONFIG = Path(__file__).parents[1] / "configs/mnist_1pct_deformed.yaml"
ENTRIES: dict[str, OptimizerConfig] = {
    "SGD, momentum": SGDConfig(name="sgd", kind="sgd", lr=0.01, momentum=0.9),
    "Adam": AdamConfig(name="adam", kind="adam"),
}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CONTESTANTS = ("plain", "deformed")


def seconds(entry: OptimizerConfig, precision: torch.dtype, data: TrainingSamples, test: TensorData) -> float:
    """Seconds that the trainer takes for so many steps on ``data``, evaluation left out."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    optimizer = build_optimizer(entry, model.parameters())
    schedule = build_scheduler(ScheduleConfig(), optimizer, STEPS)
    learning = Learning(optimizer, schedule, mean_gradient, precision=precision)
    timeline = Timeline(STEPS, BATCH, N // BATCH, STEPS, whole_batches=True)
    order = torch.Generator().manual_seed(0)
    return train(model, learning, data, test, timeline, order, Silent()).training_seconds


def report(frame: pd.DataFrame, run: dict[str, object], began: object) -> str:
    """The table."""
    rows, rounds = [], frame["round"].nunique()
    for (precision, name), case in frame.groupby(["precision", "optimizer"], sort=False):
        wide = case.pivot_table(index="round", columns="contestant", values="seconds")
        step = 1000 * wide.median() / STEPS
        rows.append(
            {
                "precision": precision,
                "optimizer": name,
                "plain step, ms": f"{step['plain']:.2f}",
                "deformed step, ms": f"{step['deformed']:.2f}",
                "deformed / plain": ratio(wide, "deformed", "plain"),
                "target": verdict(float((wide["deformed"] / wide["plain"]).median()), TARGET),
            }
        )
    versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items() if k in ("python", "torch"))
    return f"""# Cost of a step on deformed images

Regenerate with `python benchmarks/deformed_step.py`. CPU, one thread, MLP 784-{WIDTH}-10, {N} images,
batches of {BATCH}; the trainer's own steps, from the images to the update, on copies deformed as
configs/deformed.yaml says and on the images themselves. Ratios are medians over {rounds} rounds of
{STEPS} steps in which the two alternate, with the quartiles in brackets.

{run["cpu"]} ({run["capability"]}), {run["platform"]}; {versions}. Load average when the run
began {began}, when it ended {run["load_average"]}.

{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}
"""


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("results/bench"))
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rounds, began = 2 if options.quick else 21, environment()["load_average"]
    deformation = load(CONFIG).training.deformation
    assert deformation is not None
    plain, test = images(0), images(1)
    generator = torch.Generator().manual_seed(0)
    deformed = DeformedImages(plain.images, plain.labels, deformation, generator)
    data: dict[str, TrainingSamples] = {"plain": plain, "deformed": deformed}
    rows: list[dict[str, object]] = []
    for precision, dtype in PRECISIONS.items():
        for name, entry in ENTRIES.items():
            say(f"{precision}, {name}")

            def measure(who: str, entry: OptimizerConfig = entry, dtype: torch.dtype = dtype) -> float:
                return seconds(entry, dtype, data[who], test)

            head = {"precision": precision, "optimizer": name}
            for k, who, t in in_turn(CONTESTANTS, rounds, measure):
                rows.append(head | {"contestant": who, "round": k, "seconds": t})
    frame = pd.DataFrame(rows)
    frame.to_csv(options.output / "deformed_step.csv", index=False)
    (options.output / "deformed_step.md").write_text(report(frame, environment(), began))
    say(f"wrote {options.output / 'deformed_step.md'}")


if __name__ == "__main__":
    main()
