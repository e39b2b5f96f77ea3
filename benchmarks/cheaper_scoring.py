"""What would a cheaper score buy under the step budget? Selections, two cheaper ones, and random images.

    python benchmarks/cheaper_scoring.py [--output results/bench] [--quick]

Writes to the output folder: cheaper_scoring.md and cheaper_scoring.csv (every training and every timing).
CPU, one thread, MLP 784-100-10, SGD with momentum, official MNIST where DBA_DATA has it. The test set is not
read.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import harness
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.data import as_floats, load
from dba_cli.method import use_fast_products

STEPS, TIMED, EVERY = 600, 60, 4
BUDGETS = {600: 1500, 100: 1000}  # images used in a step: candidates looked at, as in configs/reproduce
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
TUNED, SHOWN = (100, 101, 102), (0, 1, 2, 3, 4)  # seeds
Images = Callable[[int], tuple[Tensor, Tensor]]
"""Draws so many random images and labels."""


class Way:
    """One training: how its steps choose `size` images; a subclass writes one step's gradient."""

    def __init__(self, model: nn.Sequential, size: int, draw: Images) -> None:
        self.model, self.size, self.draw = model, size, draw
        self.dba = DynamicBatch(model, rule="top_k", order="projection", size=size)
        self.steps = 0

    def backward(self) -> None:
        """Write one step's gradient."""
        raise NotImplementedError

    def plain(self, images: Tensor, labels: Tensor) -> None:
        """Write the gradient of the mean loss."""
        F.cross_entropy(self.model(images), labels).backward()


class Random(Way):
    """As many random images."""

    def backward(self) -> None:
        """Look at no others."""
        self.plain(*self.draw(self.size))


class EveryLayer(Way):
    """DBA: for each layer the candidates with the largest projections on the mean gradient."""

    def backward(self) -> None:
        """Choose in every step."""
        images, labels = self.draw(BUDGETS[self.size])
        self.dba.backward(F.cross_entropy(self.model(images), labels, reduction="none"))


class LastLayer(Way):
    """The same by the last layer alone, for the whole network: one pass forward, no per-sample gradients.

    For logits z = W h + b the last layer's gradient is (softmax(z) - y) [h, 1]^T.
    """

    def backward(self) -> None:
        """Choose in every step."""
        images, labels = self.draw(BUDGETS[self.size])
        with torch.no_grad():
            inputs = F.pad(self.model[:-1](images), (0, 1), value=1.0)
            weights = torch.cat([self.model[-1].weight, self.model[-1].bias.unsqueeze(1)], 1)
            outputs = (inputs @ weights.T).softmax(1) - F.one_hot(labels, 10)
            best = ((outputs @ (outputs.T @ inputs)) * inputs).sum(1).topk(self.size).indices
        self.plain(images[best], labels[best])


class EveryFourthStep(EveryLayer):
    """DBA in every fourth step, random images in the others."""

    def backward(self) -> None:
        """Choose, or not."""
        if self.steps % EVERY == 0:
            super().backward()
        else:
            self.plain(*self.draw(self.size))


WAYS: dict[str, type[Way]] = {
    "random images": Random,
    "every layer, every step": EveryLayer,
    "last layer, every step": LastLayer,
    "every layer, every 4th step": EveryFourthStep,
}


class Task:
    """Training images, and those of the training file that are kept out."""

    def __init__(self) -> None:
        data = load("mnist", "auto", Path(os.environ.get("DBA_DATA", "data")), harness.say)
        images, labels = as_floats(data.train_images).flatten(1), data.train_labels
        shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        self.held_out, self.used = shuffled[: len(images) // 6], shuffled[len(images) // 6 :]
        self.images, self.labels = images, labels

    def train(self, way: str, size: int, rate: float, seed: int, steps: int) -> tuple[float, float]:
        """Return accuracy on what is kept out, per cent, and the seconds of the steps."""
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
        use_fast_products(model)
        optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
        generator = torch.Generator().manual_seed(seed)

        def draw(n: int) -> tuple[Tensor, Tensor]:
            chosen = self.used[torch.randint(len(self.used), (n,), generator=generator)]
            return self.images[chosen], self.labels[chosen]

        trained, start = WAYS[way](model, size, draw), perf_counter()
        for trained.steps in range(steps):
            optimizer.zero_grad()
            trained.backward()
            optimizer.step()
        seconds = perf_counter() - start
        with torch.no_grad():
            right = model(self.images[self.held_out]).argmax(1) == self.labels[self.held_out]
        return 100 * right.float().mean().item(), seconds


def measured(task: Task, quick: bool) -> Iterator[dict[str, object]]:
    """Yield the accuracies, of tuning and then of other seeds at the best rate, and the timings."""
    steps, rates = (20, RATES[:2]) if quick else (STEPS, RATES)
    tuned, shown = (TUNED[:1], SHOWN[:1]) if quick else (TUNED, SHOWN)
    best: dict[tuple[int, str], float] = {}
    for size in BUDGETS:
        for way in WAYS:
            harness.say(f"{size} images a step, {way}")
            rows = [
                {"kind": "tuning", "size": size, "way": way, "rate": rate, "seed": seed}
                | {"accuracy": task.train(way, size, rate, seed, steps)[0]}
                for rate in rates
                for seed in tuned
            ]
            yield from rows
            best[size, way] = float(pd.DataFrame(rows).groupby("rate").accuracy.mean().idxmax())
            for seed in shown:
                accuracy, _ = task.train(way, size, best[size, way], seed, steps)
                yield {"kind": "shown", "size": size, "way": way, "rate": best[size, way], "seed": seed} | {
                    "accuracy": accuracy
                }

    for size in BUDGETS:
        harness.say(f"{size} images a step: timings")

        def seconds(way: str, size: int = size) -> float:
            return task.train(way, size, best[size, way], 0, TIMED)[1]

        for k, way, t in harness.in_turn(tuple(WAYS), 2 if quick else 15, seconds):
            yield {"kind": "time", "size": size, "contestant": way, "round": k, "seconds": t}


def report(frame: pd.DataFrame, conditions: str) -> str:
    """Return the table."""
    rows = []
    for size, case in frame.groupby("size", sort=False):
        times = harness.wide(case[case.kind == "time"])
        shown = case[case.kind == "shown"].pivot_table(
            index="seed", columns="way", values="accuracy", sort=False
        )
        rates = case[case.kind == "shown"].groupby("way").rate.first()
        for way in WAYS:
            more = shown[way] - shown["random images"]
            rows.append(
                {
                    "images used in a step": size,
                    "chosen by": way,
                    "learning rate": f"{rates[way]:g}",
                    "held-out accuracy, %": f"{shown[way].mean():.2f} ± {shown[way].std():.2f}",
                    "points more than random": ""
                    if way == "random images"
                    else f"{more.mean():+.2f} ± {more.std():.2f}",
                    "a step, ms": f"{1000 * times[way].median() / TIMED:.2f}",
                    "time / random images": harness.ratio(times, way, "random images"),
                }
            )
    return f"""# What a cheaper score buys under the step budget

Regenerate with `python benchmarks/cheaper_scoring.py`. MLP 784-100-10, SGD with momentum 0.9, {STEPS} steps
of 600 or 100 images out of 1 500 or 1 000 random candidates. "Every layer" is DBA (`top_k` by projection).
"Last layer" scores the candidates by the last layer alone, in a pass forward, and trains the whole network on
that one subset. "Every 4th step" selects in one step of four. Accuracies are on a sixth of the training
images, kept out; the test set is not read. Each way has the one of {len(RATES)} learning rates that was best
on seeds {TUNED[0]} to {TUNED[-1]}; mean and standard deviation over seeds {SHOWN[0]} to {SHOWN[-1]},
differences paired by seed. Times are of {TIMED} steps that alternate, medians with quartiles, with the same
matrix product for all.

{conditions}

{harness.table(rows)}
"""


if __name__ == "__main__":
    options = harness.arguments(__doc__)
    harness.main(options, measured(Task(), options.quick), report)
