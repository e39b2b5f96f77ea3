"""Does training several seeds as one computation pay? Steps of S stacked seeds beside S single runs.

    python benchmarks/stacked_seeds.py [--output results/bench] [--quick]

Writes to the output folder: stacked_seeds.md (tables) and stacked_seeds.csv (every timing). CPU, float32,
MLP 784-h-10, 600 random images, batches of 100. Every ratio is of runs that alternate within this one
execution. The second table needs two cores; where there is one, it is left out.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
from step_cost import environment, say
from torch import Tensor, nn

from dba_cli.config import AdamConfig, DBAConfig, OptimizerConfig, ScheduleConfig, SGDConfig, TrainingConfig
from dba_cli.method._products import row_products
from dba_cli.method._samplers._linear import linear
from dba_cli.method._samplers._registry import SAMPLERS
from dba_cli.training import (
    Learning,
    SeedRun,
    TensorData,
    Timeline,
    build_optimizer,
    build_scheduler,
    gradient_rule,
    stack_sizes,
    train,
    train_stacked,
)

N, BATCH, PAYS = 600, 100, 1.5
ENTRIES: dict[str, OptimizerConfig] = {
    "sgd": SGDConfig(name="sgd", kind="sgd", lr=0.1),
    "adam": AdamConfig(name="adam", kind="adam"),
    "dba": DBAConfig(name="dba", kind="dba", base={"kind": "sgd", "lr": 0.1}),
}
CASES = [(h, s) for h in (100, 200, 400, 800) for s in ((2, 5, 10) if h in (100, 800) else (5,))]
STEPS = {100: 120, 200: 80, 400: 50, 800: 30}
TRAINER = "trainer"
CONTESTANTS = (TRAINER, "trainer, faster product", "stack of one", "stacked")


class Silent:
    """An observer that looks away."""

    def step(self, step: int, loss: float) -> None:
        """Do nothing."""

    def row(self, row: object) -> None:
        """Do nothing."""


class FasterProduct(torch.autograd.Function):
    """A linear layer on the product that DBA and the stack use: what a single run could have without them."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Multiply."""
        ctx.save_for_backward(x, weight)
        return row_products(x, weight).add_(bias)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Go back to what is asked for."""
        x, weight = ctx.saved_tensors
        return (
            row_products(gradient, weight.t()) if ctx.needs_input_grad[0] else None,
            row_products(gradient.t(), x.t()) if ctx.needs_input_grad[1] else None,
            gradient.sum(0) if ctx.needs_input_grad[2] else None,
        )


class FasterLinear(nn.Linear):
    """A linear layer that uses it."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiply and add."""
        return FasterProduct.apply(x, self.weight, self.bias)


SAMPLERS[FasterLinear] = linear


def runs(width: int, seeds: range, layer: type[nn.Linear] = nn.Linear) -> list[SeedRun]:
    """One network, draw and order per seed."""
    made = []
    for seed in seeds:
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Flatten(), layer(784, width), nn.ReLU(), layer(width, 10))
        made.append(SeedRun(model, images(seed), torch.Generator().manual_seed(seed), Silent()))
    return made


def images(seed: int) -> TensorData:
    """Random images and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (N,), generator=generator)
    return TensorData(torch.rand(N, 1, 28, 28, generator=generator), labels)


def single(run: SeedRun, entry: OptimizerConfig, timeline: Timeline) -> float:
    """Seconds of a run in the trainer."""
    optimizer = build_optimizer(entry, run.model.parameters())
    schedule = build_scheduler(ScheduleConfig(), optimizer, timeline.steps)
    learning = Learning(optimizer, schedule, gradient_rule(entry, run.model, torch.Generator()))
    return train(
        run.model, learning, run.train_data, TEST, timeline, run.order, run.observer
    ).training_seconds


def stacked(several: list[SeedRun], entry: OptimizerConfig, timeline: Timeline) -> float:
    """Seconds of a stack of runs."""
    outcomes = train_stacked(several, entry, ScheduleConfig(), TEST, timeline)
    return sum(outcome.training_seconds for outcome in outcomes)


def trained(name: str, width: int, seeds: range, steps: int, contestant: str) -> tuple[float, list[SeedRun]]:
    """Seconds that a contestant trains all seeds, evaluation left out, and what it trained."""
    entry, timeline = ENTRIES[name], Timeline(steps, BATCH, N // BATCH, steps)
    made = runs(width, seeds, FasterLinear if contestant == CONTESTANTS[1] else nn.Linear)
    if contestant == "stacked":
        return stacked(made, entry, timeline), made
    if contestant == "stack of one":
        return sum(stacked([run], entry, timeline) for run in made), made
    return sum(single(run, entry, timeline) for run in made), made


TEST = images(1000)


def seconds(name: str, width: int, seeds: range, steps: int, contestant: str) -> float:
    """Seconds that a contestant trains all seeds, evaluation left out."""
    return trained(name, width, seeds, steps, contestant)[0]


def disagreement(name: str, width: int, seeds: range, steps: int) -> float:
    """Largest difference of any weight between stacked and single runs."""
    ours, theirs = (trained(name, width, seeds, steps, who)[1] for who in ("stacked", TRAINER))
    pairs = zip(ours, theirs, strict=True)
    return max(
        float((a - b).detach().abs().max())
        for mine, other in pairs
        for a, b in zip(mine.model.parameters(), other.model.parameters(), strict=True)
    )


def in_turn(
    names: tuple[str, ...], rounds: int, measure: Callable[[str], float]
) -> Iterator[tuple[int, str, float]]:
    """Measure all in every round, in an order that turns by one; the first round is not kept."""
    for k in range(-1, rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            value = measure(name)
            if k >= 0:
                yield k, name, value


def worker(pipe: Connection, threads: int) -> None:
    """A process that trains what it is sent."""
    torch.set_num_threads(threads)
    while (job := pipe.recv()) is not None:
        pipe.send(seconds(*job))


PROCESSES = ("2 processes, trainer", "2 processes, stacked", "1 process of 2 threads, stacked")


class Pool:
    """Two processes of one thread, and one of two."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes, self._processes = [], []
        for threads in (1, 1, 2):
            os.environ["OMP_NUM_THREADS"] = str(threads)
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            self._processes.append(context.Process(target=worker, args=(theirs, threads)))
            self._processes[-1].start()
        os.environ["OMP_NUM_THREADS"] = "1"

    def seconds(self, name: str, width: int, seeds: int, steps: int, what: str) -> float:
        """Wall seconds until all seeds are trained."""
        start = time.perf_counter()
        if what == PROCESSES[2]:
            used = [(self._pipes[2], range(seeds))]
        else:
            used = [(self._pipes[0], range(seeds // 2)), (self._pipes[1], range(seeds // 2, seeds))]
        contestant = TRAINER if what == PROCESSES[0] else "stacked"
        for pipe, share in used:
            pipe.send((name, width, share, steps, contestant))
        for pipe, _ in used:
            pipe.recv()
        return time.perf_counter() - start

    def close(self) -> None:
        """End the processes."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.send(None)
            process.join()


def ratio(frame: pd.DataFrame, over: str, under: str) -> str:
    """Median and quartiles of the rounds' ratios."""
    quartiles = (frame[over] / frame[under]).quantile([0.5, 0.25, 0.75])
    return "{:.2f} ({:.2f}-{:.2f})".format(*quartiles)


def report(rows: list[dict[str, object]], run: dict[str, object], rounds: int, began: object) -> str:
    """The tables."""
    frame = pd.DataFrame(rows)
    seeds_table, jobs_table = [], []
    for (part, width, name, seeds), case in frame.groupby(
        ["part", "width", "optimizer", "seeds"], sort=False
    ):
        wide = case.pivot_table(index="round", columns="contestant", values="seconds")
        head = {"h": width, "optimizer": name, "S": seeds}
        if part == "one thread":
            model = runs(width, range(1))[0].model
            sizes = stack_sizes(ENTRIES[name], model, TrainingConfig(epochs=1), seeds)
            gain = float((wide[TRAINER] / wide["stacked"]).median())
            seeds_table.append(
                head
                | {
                    "single step, ms": f"{1000 * wide[TRAINER].median() / seeds / STEPS[width]:.2f}",
                    "trainer / stacked": ratio(wide, TRAINER, "stacked"),
                    f"at least {PAYS}": "yes" if gain >= PAYS else "no",
                    "trainer with the stack's product / stacked": ratio(wide, CONTESTANTS[1], "stacked"),
                    "stack of one / stacked": ratio(wide, "stack of one", "stacked"),
                    "chosen": " + ".join(map(str, sizes)) if max(sizes) > 1 else "single runs",
                    "largest weight difference": f"{case['difference'].max():.1e}",
                }
            )
        else:
            jobs_table.append(
                head | {f"{PROCESSES[0]} / {p}": ratio(wide, PROCESSES[0], p) for p in PROCESSES[1:]}
            )
    versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items() if k in ("python", "torch"))
    text = f"""# Several seeds as one computation

Regenerate with `python benchmarks/stacked_seeds.py`. CPU, float32, MLP 784-h-10, S draws of {N} images,
batches of {BATCH}, evaluation left out. Ratios are medians over {rounds} rounds in which the contestants
alternate, with the quartiles in brackets; above 1, the stack is faster.

{run["cpu"]} ({run["capability"]}), {run["platform"]}; {versions}. Load average when the run
began {began}, when it ended {run["load_average"]}.

## One thread

{pd.DataFrame(seeds_table).to_markdown(index=False, disable_numparse=True)}

The stack gains in two ways. It uses oneDNN's product where torch's Linear layers use BLAS: single runs could
have that too, and the column "trainer with the stack's product" leaves that part of the gain out. And S steps
share the overhead of one: the column "stack of one" has that part alone. Stacks are chosen where the whole
gain is at least {PAYS} and sharing has a real part in it; never of more than five seeds.
"""
    if jobs_table:
        text += f"""
## Two cores

Wall time of ten seeds: two processes of one thread that train five each, beside one process of two threads.

{pd.DataFrame(jobs_table).to_markdown(index=False, disable_numparse=True)}
"""
    return text


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("results/bench"))
    parser.add_argument("--quick", action="store_true", help="few rounds, one case: does it run at all?")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rounds, began = 2 if options.quick else 9, environment()["load_average"]
    rows: list[dict[str, object]] = []
    for width, s in CASES[: 1 if options.quick else None]:
        for name in ENTRIES:
            say(f"h = {width}, {name}, {s} seeds")
            head = {"part": "one thread", "width": width, "optimizer": name, "seeds": s}
            difference = disagreement(name, width, range(s), 10)
            measure = partial(seconds, name, width, range(s), STEPS[width])
            for k, who, t in in_turn(CONTESTANTS, rounds, measure):
                rows.append(head | {"contestant": who, "round": k, "seconds": t, "difference": difference})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores >= 2:
        pool = Pool()
        for width in (100,) if options.quick else (100, 800):
            for name in ENTRIES:
                say(f"h = {width}, {name}, two cores")
                head = {"part": "two cores", "width": width, "optimizer": name, "seeds": 10}
                measure = partial(pool.seconds, name, width, 10, 2 * STEPS[width])
                for k, who, t in in_turn(PROCESSES, min(rounds, 5), measure):
                    rows.append(head | {"contestant": who, "round": k, "seconds": t})
        pool.close()
    pd.DataFrame(rows).to_csv(options.output / "stacked_seeds.csv", index=False)
    (options.output / "stacked_seeds.md").write_text(report(rows, environment(), rounds, began))
    say(f"wrote {options.output / 'stacked_seeds.md'}")


if __name__ == "__main__":
    main()
