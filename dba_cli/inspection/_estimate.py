"""How long the runs of a config take: from its recorded runs, else from a few steps that are timed here."""

import time
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from dba_cli.errors import UserError
from dba_cli.inspection._config import ConfigView
from dba_cli.inspection._wording import heading, seconds_text, table

if TYPE_CHECKING:
    import torch

    from dba_cli.config import Config

# The first step of DBA checks itself, and all first steps allocate: neither is timed.
_WARM_UP = 2
_TIMED_STEPS = 10
_MAX_SECONDS = 3.0


def time_table(view: ConfigView, data_dir: Path, device: "torch.device") -> RenderableType:
    """Return how long each optimizer's runs take, what that is known from, and what is left in all.

    A time is the mean of the runs recorded on such a device, else measured.

    Raises:
        UserError: The data cannot be had, or the config cannot be run with it.
    """
    import torch

    from dba_cli.records import DeviceRecord
    from dba_cli.training import describe_device

    here = DeviceRecord(type=device.type, name=describe_device(device), threads=torch.get_num_threads())
    rows, left = [], 0.0
    for entry in view.config.optimizers:
        runs = [run for run in view.runs if run.optimizer == entry.name]
        done = [run.record for run in runs if run.record and run.state == "done"]
        recorded = [
            record.durations.total for record in done if record.device == here and record.status == "finished"
        ]
        if recorded:
            seconds, known_from = fmean(recorded), f"{len(recorded)} recorded run{'s' * (len(recorded) > 1)}"
        else:
            seconds, known_from = _measured(view.config, entry.name, data_dir, device)
        todo = len(runs) - len(done)
        left += todo * seconds
        rows.append((entry.name, seconds_text(seconds), known_from, str(todo)))
    total = f"Left to do, one run after the other: {seconds_text(left)}" if left else "Nothing left to do"
    titles = ["optimizer", "one run", "known from", "runs to do"]
    return Group(heading("estimated time"), table(titles, rows), Text(f"  {total}."))


def _measured(config: "Config", optimizer: str, data_dir: Path, device: "torch.device") -> tuple[float, str]:
    """Train a few steps as ``dba run`` would, leave nothing behind, and extrapolate to a whole run."""
    from dba_cli.experiments import Images, Settings, Trainee, planned

    images = Images(data_dir)
    settings = Settings(data_dir, Path(), device, [optimizer], config.seeds[:1], overwrite=True)
    (run,) = planned(config, images, settings).todo
    training = Trainee(run, images, device).training()
    began, timed = time.perf_counter(), list[float]()
    training.advance(0)  # the first evaluation
    while len(timed) < _WARM_UP + _TIMED_STEPS and training.step < run.timeline.steps:
        before = training.seconds
        over = training.advance(1)
        timed.append(training.seconds - before)
        if over or (len(timed) > _WARM_UP and time.perf_counter() - began > _MAX_SECONDS):
            break
    if not training.step:
        raise UserError(f"{config.experiment.name}: no step could be timed: the first one diverged")
    # One before the first step, the last one whatever the period; deformed copies only at the end.
    total, period = run.timeline.steps, run.timeline.evaluation_period
    evaluations = 1 + -(-total // period) + config.training.evaluation.copies
    one = training.evaluation_seconds / len(training.history)
    steps = timed[_WARM_UP:] or timed
    return total * median(steps) + evaluations * one, f"{len(steps)} timed steps"
