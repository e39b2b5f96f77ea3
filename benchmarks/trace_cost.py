"""What does training.trace: true cost? DBA that notes every choice beside DBA that does not.

    python benchmarks/trace_cost.py [--output results/bench] [--quick]

Writes to the output folder: trace_cost.md (table, with the target) and trace_cost.csv (every timing). One
core, CPU, float32, MLP 784-100-10, 600 random images. Every ratio is of short trainings that alternate within
this one execution; compressing and writing the files is part of the time.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
from report import verdict
from stacked_seeds import ENTRIES, N, Silent, images, in_turn, ratio
from step_cost import environment, say
from torch import nn

from dba_cli.config import ScheduleConfig
from dba_cli.experiments._single import _Recorder
from dba_cli.records import RunFolder
from dba_cli.training import (
    Learning,
    Timeline,
    build_optimizer,
    build_scheduler,
    gradient_rule,
    predict,
    train,
)

WIDTH, TARGET = 100, 1.1
STEPS = {100: 600, 600: 100}  # by batch size: a hundred epochs
CONTESTANTS = ("without", "with a trace")
TRAIN, TEST = images(0), images(1)


def seconds(batch: int, contestant: str) -> tuple[float, int]:
    """Seconds of a training, evaluation left out but the trace's file included, and the file's bytes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    optimizer = build_optimizer(ENTRIES["dba"], model.parameters())
    schedule = build_scheduler(ScheduleConfig(), optimizer, STEPS[batch])
    rule = gradient_rule(ENTRIES["dba"], model, torch.Generator())
    recorder = _Recorder() if contestant == CONTESTANTS[1] else None
    learning = Learning(optimizer, schedule, rule, recorder=recorder)
    timeline = Timeline(STEPS[batch], batch, N // batch, STEPS[batch])
    order = torch.Generator().manual_seed(0)
    trained = train(model, learning, TRAIN, TEST, timeline, order, Silent()).training_seconds
    if recorder is None:
        return trained, 0
    logits = predict(model, TEST.images)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        start = time.perf_counter()
        recorder.write(folder, logits)
        return trained + time.perf_counter() - start, folder.trace_file.stat().st_size


def report(frame: pd.DataFrame, run: dict[str, object], began: object) -> str:
    """The table."""
    rows, rounds = [], frame["round"].nunique()
    for batch, case in frame.groupby("batch", sort=False):
        wide = case.pivot_table(index="round", columns="contestant", values="seconds")
        size = int(case["bytes"].max())
        rows.append(
            {
                "candidates per step": batch,
                "step without, ms": f"{1000 * wide[CONTESTANTS[0]].median() / STEPS[batch]:.2f}",
                "with / without": ratio(wide, CONTESTANTS[1], CONTESTANTS[0]),
                "target": verdict(float((wide[CONTESTANTS[1]] / wide[CONTESTANTS[0]]).median()), TARGET),
                "file, kB": f"{size / 1000:.0f}",
                "bits per candidate": f"{8 * size / (STEPS[batch] * batch):.1f}",
            }
        )
    versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items() if k in ("python", "torch"))
    return f"""# Cost of the selection trace

Regenerate with `python benchmarks/trace_cost.py`. CPU, one thread, float32, DBA (snr, alignment, at least a
quarter, per layer) on an MLP 784-{WIDTH}-10 and {N} images, a hundred epochs; both layers' choices of every
step, compressed and written. Ratios are medians over {rounds} rounds in which the two alternate, with the
quartiles in brackets.

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
    rows: list[dict[str, object]] = []
    for batch in STEPS:
        say(f"{batch} candidates a step")
        sizes: dict[str, int] = {}

        def measure(who: str, batch: int = batch, sizes: dict[str, int] = sizes) -> float:
            taken, sizes[who] = seconds(batch, who)
            return taken

        for k, who, t in in_turn(CONTESTANTS, rounds, measure):
            head = {"batch": batch, "contestant": who, "round": k}
            rows.append(head | {"seconds": t, "bytes": sizes[who]})
    frame = pd.DataFrame(rows)
    frame.to_csv(options.output / "trace_cost.csv", index=False)
    (options.output / "trace_cost.md").write_text(report(frame, environment(), began))
    say(f"wrote {options.output / 'trace_cost.md'}")


if __name__ == "__main__":
    main()
