"""What does the trainer cost? Its steps beside a minimal hand-written PyTorch loop of the same training.

    python benchmarks/overhead.py [--output results/bench] [--quick]

Writes to the output folder: overhead.md (table, with the target) and overhead.csv (every timing). One core,
CPU, float32, MLP 784-100-10, 600 random images, batches of 100, SGD. Evaluation, records and progress are
left out; every ratio is of short trainings that alternate within this one execution.
"""

import time

import pandas as pd
import torch
import torch.nn.functional as F
from harness import (
    ENTRIES,
    N,
    arguments,
    images,
    in_turn,
    main,
    network,
    ratio,
    table,
    training,
    verdict,
    wide,
)
from torch import nn

BATCH, WIDTH, STEPS, TARGET = 100, 100, 150, 1.05
TRAINER, LOOP, TUNED = CONTESTANTS = ("trainer", "minimal loop", "minimal loop, tuned")
TRAIN = images(0)


def by_trainer() -> tuple[float, nn.Module]:
    """Return the seconds of the trainer, and what it trained."""
    model = network(WIDTH)
    trained = training(ENTRIES["sgd"], model, TRAIN, STEPS, BATCH)
    trained.advance()
    return trained.seconds, model


def by_hand(*, tuned: bool = False) -> tuple[float, nn.Module]:
    """Return the seconds of the loop that one would write, and what it trained.

    It does not look at the loss, has no schedule and notes nothing. Tuned, it has what makes the trainer
    fast: index_select and fused updates.
    """
    x, y, model = TRAIN.images, TRAIN.labels, network(WIDTH)
    optimizer = torch.optim.SGD(model.parameters(), lr=ENTRIES["sgd"].lr, fused=tuned)
    order = torch.Generator().manual_seed(0)
    began = time.perf_counter()
    for _ in range(STEPS * BATCH // N):
        for batch in torch.randperm(N, generator=order).split(BATCH):
            if tuned:
                inputs, labels = x.index_select(0, batch), y.index_select(0, batch)
            else:
                inputs, labels = x[batch], y[batch]
            loss = F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - began, model


WAYS = {TRAINER: by_trainer, LOOP: by_hand, TUNED: lambda: by_hand(tuned=True)}


def disagreement() -> float:
    """Return the largest difference of any weight between the ways: they must be one training."""
    ours, *others = (dict(WAYS[way]()[1].named_parameters()) for way in CONTESTANTS)
    return max((ours[name] - theirs[name]).abs().max().item() for theirs in others for name in ours)


def report(frame: pd.DataFrame, conditions: str) -> str:
    """Return the table."""
    seconds = wide(frame)
    steps = 1000 * seconds.median() / STEPS
    rows = [
        {
            "beside": under,
            "its step, ms": f"{steps[under]:.3f}",
            "trainer's step, ms": f"{steps[TRAINER]:.3f}",
            "trainer / loop": ratio(seconds, TRAINER, under),
            "target": verdict((seconds[TRAINER] / seconds[under]).median(), target),
        }
        for under, target in ((LOOP, TARGET), (TUNED, None))
    ]
    return f"""# Overhead of the trainer

Regenerate with `python benchmarks/overhead.py`. CPU, one thread, float32, MLP 784-{WIDTH}-10, {N} images,
batches of {BATCH}, SGD; evaluation, records and progress left out. Ratios are medians over
{len(seconds)} rounds of {STEPS} steps in which the ways alternate, with the quartiles in brackets.
The largest difference of any weight after {STEPS} steps is {disagreement():.1e}.

{conditions}

{table(rows)}

The minimal loop is what one would write: `x[batch]`, `F.cross_entropy`, `torch.optim.SGD`. The tuned one has
the two things that make the trainer's step quicker than that, `index_select` and fused updates, and shows
what the trainer adds: a look at every loss, losses sample by sample, the schedule, and sums for the history.
"""


if __name__ == "__main__":
    options = arguments(__doc__)
    timings = in_turn(CONTESTANTS, 2 if options.quick else 61, lambda way: WAYS[way]()[0])
    main(options, ({"contestant": who, "round": k, "seconds": t} for k, who, t in timings), report)
