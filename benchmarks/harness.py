"""What every benchmark has in common: contestants that take turns, ratios with their spread, and a report.

A benchmark is a file that yields rows (one timing each) and makes a text of them; ``main`` writes both, as
NAME.csv and NAME.md, into the folder of the results.
"""

import argparse
import gc
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
from torch import nn

from dba_cli.config import OptimizerConfig, ScheduleConfig
from dba_cli.method import use_fast_products
from dba_cli.training import (
    Learning,
    TensorData,
    Timeline,
    Training,
    build_scheduler,
    gradient_rule,
)

Name = TypeVar("Name")

N = 600
ENTRIES = {
    name: OptimizerConfig.model_validate({"name": name.partition(",")[0], **keys})
    for name, keys in {
        "sgd": {"kind": "sgd", "lr": 0.1},
        "sgd, momentum": {"kind": "sgd", "lr": 0.01, "momentum": 0.9},
        "adam": {"kind": "adam"},
        "dba": {"kind": "dba", "base": {"kind": "sgd", "lr": 0.1}},
    }.items()
}


def in_turn(
    names: Sequence[Name], rounds: int, measure: Callable[[Name], float], warm_up: int = 1
) -> Iterator[tuple[int, Name, float]]:
    """Yield round, name and value: all in every round, in an order that turns by one.

    The ``warm_up`` rounds before are not kept. No garbage is collected meanwhile.
    """
    gc.collect()
    gc.disable()
    try:
        for k in range(-warm_up, rounds):
            turned = k % len(names)
            for name in (*names[turned:], *names[:turned]):
                value = measure(name)
                if k >= 0:
                    yield k, name, value
    finally:
        gc.enable()


def wide(case: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds of a case: a row per round, a column per contestant."""
    return case.pivot_table(index="round", columns="contestant", values="seconds", sort=False)


def ratio(frame: pd.DataFrame, over: str, under: str, digits: int = 2) -> str:
    """Return median and quartiles of the rounds' ratios."""
    low, middle, high = (frame[over] / frame[under]).quantile([0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def verdict(value: float, target: float | None, *, at_least: bool = False) -> str:
    """Return the target, and whether the value meets it."""
    if target is None:
        return ""
    met = value >= target if at_least else value <= target
    return f"{'at least' if at_least else 'at most'} {target:g}: {'met' if met else '**missed**'}"


def table(rows: Iterable[dict[str, object]]) -> str:
    """Return the rows as a Markdown table."""
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def images(seed: int) -> TensorData:
    """Return N random images and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (N,), generator=generator)
    return TensorData(torch.rand(N, 1, 28, 28, generator=generator), labels)


def network(width: int) -> nn.Module:
    """Return an MLP 784-width-10 as the trainer's are, always with the same weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
    use_fast_products(model)
    return model


def training(
    entry: OptimizerConfig,
    model: nn.Module,
    data: TensorData,
    steps: int,
    batch: int,
    **learning: Any,
) -> Training:
    """Return the trainer at the beginning of so many steps; ``advance`` makes them."""
    optimizer = entry.base_optimizer.build(model.parameters())
    schedule = build_scheduler(ScheduleConfig(), optimizer, steps)
    how = Learning(optimizer, schedule, gradient_rule(entry, model, torch.Generator()), **learning)
    timeline = Timeline(steps, batch, N // batch, steps, whole_batches=True)
    return Training(model, how, data, images(1), timeline, torch.Generator().manual_seed(0))


def environment() -> dict[str, object]:
    """Return what the figures depend on."""
    names = ["torch", "torchvision", "transformers", "opacus", "backpack-for-pytorch"]
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), cpu)
    return {
        "versions": {"python": platform.python_version(), **{n: installed(n) for n in names}},
        "cpu": cpu,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "platform": platform.system() + " " + platform.machine(),
        "threads": torch.get_num_threads(),
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def installed(name: str) -> str:
    """Return the version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def say(line: str) -> None:
    """Tell how far the benchmark is."""
    print(line, flush=True)


def arguments(description: str | None, **more: Any) -> argparse.Namespace:
    """Return what the command line says: the folder, whether to be quick, and ``more`` options' arguments.

    A number is the default of an option that is one.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("results/bench"))
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    for name, option in more.items():
        parser.add_argument(
            f"--{name}", **(option if isinstance(option, dict) else {"type": int, "default": option})
        )
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    return chosen


def main(
    options: argparse.Namespace,
    rows: Iterable[dict[str, object]],
    report: Callable[[pd.DataFrame, str], str],
    name: str = Path(sys.argv[0]).stem,
) -> None:
    """Take all timings and write them and the report; it is given what the figures depend on, in words."""
    began = environment()["load_average"]
    frame = pd.DataFrame(rows)
    run = environment()
    conditions = (
        f"{run['cpu']} ({run['capability']}), {os.cpu_count()} cores, {run['platform']}; "
        f"python {run['versions']['python']}, torch {run['versions']['torch']}. Load average when the run\n"
        f"began {began}, when it ended {run['load_average']}."
    )
    frame.to_csv(options.output / f"{name}.csv", index=False)
    (options.output / f"{name}.md").write_text(report(frame, conditions), encoding="utf-8")
    say(f"wrote {options.output / name}.md")
