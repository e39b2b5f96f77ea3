"""What does the trainer cost? Its steps beside a minimal hand-written PyTorch loop of the same training.

    python benchmarks/overhead.py [--output results/bench] [--quick]

Writes to the output folder: overhead.md (table, with the target) and overhead.csv (every timing). One core,
CPU, float32, MLP 784-100-10, 600 random images, batches of 100, SGD. Evaluation, records and progress are
left out; every ratio is of short trainings that alternate within this one execution.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
import torch.nn.functional as F
from report import verdict
from stacked_seeds import ENTRIES, Silent, images, in_turn, ratio
from step_cost import environment, say
from torch import nn

from dba_cli.config import ScheduleConfig
from dba_cli.training import Learning, Timeline, build_optimizer, build_scheduler, mean_gradient, train

N, BATCH, WIDTH, STEPS, TARGET = 600, 100, 100, 150, 1.05
LR = ENTRIES["sgd"].lr
TRAINER, LOOP, TUNED = "trainer", "minimal loop", "minimal loop, tuned"
CONTESTANTS = (TRAINER, LOOP, TUNED)
TRAIN, TEST = images(0), images(1)


def network() -> nn.Module:
    """The network, always with the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))


def by_trainer() -> tuple[float, nn.Module]:
    """Seconds of the trainer, and what it trained."""
    model = network()
    optimizer = build_optimizer(ENTRIES["sgd"], model.parameters())
    learning = Learning(optimizer, build_scheduler(ScheduleConfig(), optimizer, STEPS), mean_gradient)
    timeline = Timeline(STEPS, BATCH, N // BATCH, STEPS)
    order = torch.Generator().manual_seed(0)
    return train(model, learning, TRAIN, TEST, timeline, order, Silent()).training_seconds, model


def by_hand() -> tuple[float, nn.Module]:
    """Seconds of the loop that one would write: no check of the loss, no schedule, nothing noted."""
    x, y, model = TRAIN.images, TRAIN.labels, network()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    order = torch.Generator().manual_seed(0)
    began = time.perf_counter()
    for _ in range(STEPS * BATCH // N):
        for batch in torch.randperm(N, generator=order).split(BATCH):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - began, model


def by_hand_tuned() -> tuple[float, nn.Module]:
    """Seconds of the same loop with what makes the trainer fast: index_select and fused updates."""
    x, y, model = TRAIN.images, TRAIN.labels, network()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, fused=True)
    order = torch.Generator().manual_seed(0)
    began = time.perf_counter()
    for _ in range(STEPS * BATCH // N):
        for batch in torch.randperm(N, generator=order).split(BATCH):
            loss = F.cross_entropy(model(x.index_select(0, batch)), y.index_select(0, batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - began, model


WAYS = {TRAINER: by_trainer, LOOP: by_hand, TUNED: by_hand_tuned}


def disagreement() -> float:
    """Largest difference of any weight between the ways: they must be one training."""
    ours = dict(by_trainer()[1].named_parameters())
    differences = [
        (ours[name] - theirs).abs().max().item()
        for way in (by_hand, by_hand_tuned)
        for name, theirs in way()[1].named_parameters()
    ]
    return max(differences)


def report(frame: pd.DataFrame, run: dict[str, object], began: object) -> str:
    """The table."""
    wide = frame.pivot_table(index="round", columns="contestant", values="seconds")
    steps = 1000 * wide.median() / STEPS
    rows = []
    for under, target in ((LOOP, TARGET), (TUNED, None)):
        rows.append(
            {
                "beside": under,
                "its step, ms": f"{steps[under]:.3f}",
                "trainer's step, ms": f"{steps[TRAINER]:.3f}",
                "trainer / loop": ratio(wide, TRAINER, under),
                "target": verdict(float((wide[TRAINER] / wide[under]).median()), target),
            }
        )
    rounds = frame["round"].nunique()
    versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items() if k in ("python", "torch"))
    return f"""# Overhead of the trainer

Regenerate with `python benchmarks/overhead.py`. CPU, one thread, float32, MLP 784-{WIDTH}-10, {N} images,
batches of {BATCH}, SGD; evaluation, records and progress left out. Ratios are medians over
{rounds} rounds of {STEPS} steps in which the ways alternate, with the quartiles in brackets.
The largest difference of any weight after {STEPS} steps is {disagreement():.1e}.

{run["cpu"]} ({run["capability"]}), {run["platform"]}; {versions}. Load average when the run
began {began}, when it ended {run["load_average"]}.

{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}

The minimal loop is what one would write: `x[batch]`, `F.cross_entropy`, `torch.optim.SGD`. The tuned one has
the two things that make the trainer's step quicker than that, `index_select` and fused updates, and shows
what the trainer adds: a look at every loss, losses sample by sample, the schedule, and sums for the history.
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
    began = environment()["load_average"]
    rows = [
        {"contestant": who, "round": k, "seconds": seconds}
        for k, who, seconds in in_turn(CONTESTANTS, 2 if options.quick else 61, lambda who: WAYS[who]()[0])
    ]
    frame = pd.DataFrame(rows)
    frame.to_csv(options.output / "overhead.csv", index=False)
    (options.output / "overhead.md").write_text(report(frame, environment(), began))
    say(f"wrote {options.output / 'overhead.md'}")


if __name__ == "__main__":
    main()
