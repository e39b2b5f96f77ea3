"""How long the runs of a config take: from its recorded runs, else from a few steps that are timed here."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from dba_cli.errors import UserError
from dba_cli.inspection._config import ConfigView

if TYPE_CHECKING:
    import torch

    from dba_cli.config import Config
    from dba_cli.records import DeviceRecord, RunRecord

# The first step of DBA checks itself, and all first steps allocate: neither is timed.
_WARM_UP = 2
_TIMED_STEPS = 10
_MAX_SECONDS = 3.0


@dataclass(frozen=True)
class RunTime:
    """The seconds that one run of an optimizer takes, and what they are known from."""

    optimizer: str
    seconds: float
    known_from: str
    runs_to_do: int


def run_times(view: ConfigView, data_dir: Path, device: "torch.device") -> list[RunTime]:
    """Return a time for each optimizer: the mean of its runs recorded on such a device, else measured.

    Raises:
        UserError: The data cannot be had, or the config cannot be run with it.
    """
    import torch

    from dba_cli.records import DeviceRecord
    from dba_cli.training import describe_device

    here = DeviceRecord(type=device.type, name=describe_device(device), threads=torch.get_num_threads())
    times = []
    for entry in view.config.optimizers:
        todo = sum(run.optimizer == entry.name and not run.done for run in view.runs)
        recorded = [
            run.record.durations.total
            for run in view.runs
            if run.optimizer == entry.name
            and run.done
            and run.record is not None
            and _finished_on(run.record, here)
        ]
        if recorded:
            runs = "1 recorded run" if len(recorded) == 1 else f"{len(recorded)} recorded runs"
            times.append(RunTime(entry.name, fmean(recorded), runs, todo))
        else:
            seconds, steps = _measured(view.config, entry.name, data_dir, device)
            times.append(RunTime(entry.name, seconds, f"{steps} timed steps", todo))
    return times


def _finished_on(record: "RunRecord", device: "DeviceRecord") -> bool:
    return record.device == device and record.status == "finished"


def _measured(config: "Config", optimizer: str, data_dir: Path, device: "torch.device") -> tuple[float, int]:
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
    return total * median(steps) + evaluations * one, len(steps)
