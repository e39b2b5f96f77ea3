"""What does training.trace: true cost? DBA that notes every choice beside DBA that does not.

    python benchmarks/trace_cost.py [--output results/bench] [--quick]

Writes to the output folder: trace_cost.md (table, with the target) and trace_cost.csv (every timing). One
core, CPU, float32, MLP 784-100-10, 600 random images. Every ratio is of short trainings that alternate within
this one execution; compressing and writing the files is part of the time.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import harness
import pandas as pd

from dba_cli.records import RunFolder
from dba_cli.training import SelectionRecorder, predict

WIDTH, TARGET = 100, 1.1
STEPS = {100: 600, 600: 100}  # by batch size: a hundred epochs
WITHOUT, WITH = CONTESTANTS = ("without", "with a trace")


def timed(batch: int, contestant: str) -> tuple[float, int]:
    """Return seconds of a training, evaluation left out but the trace's file included, and its bytes."""
    model = harness.network(WIDTH)
    recorder = SelectionRecorder() if contestant == WITH else None
    trained = harness.training(
        harness.ENTRIES["dba"], model, harness.images(0), STEPS[batch], batch, recorder=recorder
    )
    trained.advance()
    if recorder is None:
        return trained.seconds, 0
    logits = predict(model, harness.images(1).images)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        start = time.perf_counter()
        recorder.write(folder, logits)
        return trained.seconds + time.perf_counter() - start, folder.trace_file.stat().st_size


def measured(rounds: int) -> Iterator[dict[str, object]]:
    """Yield the seconds with and without, for each batch size."""
    for batch in STEPS:
        harness.say(f"{batch} candidates a step")
        sizes: dict[str, int] = {}

        def seconds(who: str, batch: int = batch, sizes: dict[str, int] = sizes) -> float:
            taken, sizes[who] = timed(batch, who)
            return taken

        for k, who, t in harness.in_turn(CONTESTANTS, rounds, seconds):
            yield {"batch": batch, "contestant": who, "round": k, "seconds": t, "bytes": sizes[who]}


def report(frame: pd.DataFrame, conditions: str) -> str:
    """Return the table."""
    rows = []
    for batch, case in frame.groupby("batch", sort=False):
        seconds, size = harness.wide(case), int(case["bytes"].max())
        rows.append(
            {
                "candidates per step": batch,
                "step without, ms": f"{1000 * seconds[WITHOUT].median() / STEPS[batch]:.2f}",
                "with / without": harness.ratio(seconds, WITH, WITHOUT),
                "target": harness.verdict((seconds[WITH] / seconds[WITHOUT]).median(), TARGET),
                "file, kB": f"{size / 1000:.0f}",
                "bits per candidate": f"{8 * size / (STEPS[batch] * batch):.1f}",
            }
        )
    return f"""# Cost of the selection trace

Regenerate with `python benchmarks/trace_cost.py`. CPU, one thread, float32, DBA (snr, alignment, at least a
quarter, per layer) on an MLP 784-{WIDTH}-10 and {harness.N} images, a hundred epochs; both layers' choices of
every step, compressed and written. Ratios are medians over {frame["round"].nunique()} rounds in which the two
alternate, with the quartiles in brackets.

{conditions}

{harness.table(rows)}
"""


if __name__ == "__main__":
    options = harness.arguments(__doc__)
    harness.main(options, measured(2 if options.quick else 21), report)
