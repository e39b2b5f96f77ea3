"""How long the runs of a config take: from its recorded runs, else from a few steps that are timed here."""

import contextlib
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, cast

from dba_cli.errors import UserError
from dba_cli.inspection._config import ConfigView

if TYPE_CHECKING:
    import torch

    from dba_cli.config import Config
    from dba_cli.experiments import Reporter, RunLabel
    from dba_cli.records import DeviceRecord, Evaluation, FailureRecord, RunRecord

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
    """Train a few steps as ``dba run`` would, in a folder that is thrown away, and extrapolate."""
    from dba_cli.config import Evaluation
    from dba_cli.experiments import Selectors, Settings, run_experiments

    # An evaluation after every step separates the two kinds of work; only so long a run is started.
    every_step = Evaluation(steps=1)
    steps = {"steps": _WARM_UP + _TIMED_STEPS, "epochs": None, "evaluation": every_step, "trace": False}
    training = config.training.model_copy(update=steps)
    watch = _Stopwatch(device.type == "cuda")
    with tempfile.TemporaryDirectory(prefix="dba-inspect-") as folder:
        settings = Settings(
            data_dir, Path(folder), device, selectors=Selectors([optimizer], config.seeds[:1])
        )
        with contextlib.suppress(_EnoughError):
            run_experiments(
                [config.model_copy(update={"training": training})], settings, cast("Reporter", watch)
            )
    return watch.extrapolated(config), len(watch.steps[_WARM_UP:]) or len(watch.steps)


class _EnoughError(Exception):
    """Ends the measurement early: these steps are slow, and few of them tell."""


@dataclass
class _Stopwatch:
    """A reporter and observer that takes the time between what it is told."""

    queued: bool
    steps: list[float] = field(default_factory=list)
    evaluations: list[float] = field(default_factory=list)
    label: "RunLabel | None" = None
    fault: str = "it ended at once"
    _since: float = 0.0
    _begun: float = 0.0

    def notice(self, line: str) -> None:
        """Say nothing: what the data is was said before."""

    def planned(self, name: str, todo: int, done: int) -> None:
        """Say nothing."""

    def started(self, label: "RunLabel") -> "_Stopwatch":
        self.label, self._begun = label, time.perf_counter()
        return self

    def finished(self, label: "RunLabel", record: "RunRecord") -> None:
        """Say nothing."""

    def failed(self, label: "RunLabel", failure: "FailureRecord") -> None:
        """Keep what went wrong; the measurement's own end arrives here too and is no fault."""
        self.fault = failure.error

    def elsewhere(self, label: "RunLabel") -> None:
        """Say nothing: the folder is this measurement's own."""

    def step(self, step: int, loss: float) -> None:
        self.steps.append(self._lap())

    def evaluated(self, row: "Evaluation") -> None:
        if row.step:
            self.evaluations.append(self._lap())
        if len(self.steps) > _WARM_UP and self._since - self._begun > _MAX_SECONDS:
            raise _EnoughError
        self._since = self._now()

    def extrapolated(self, config: "Config") -> float:
        """Return the seconds of a whole run of ``config``."""
        if self.label is None or not self.evaluations:
            raise UserError(f"{config.experiment.name}: no step could be timed: {self.fault}")
        per_epoch = self.label.timeline.steps_per_epoch
        total = config.training.in_steps(per_epoch)
        evaluation = config.training.evaluation
        # One before the first step, the last one whatever the period; deformed copies only at the end.
        evaluations = 1 + -(-total // evaluation.in_steps(per_epoch)) + evaluation.copies
        step = median(self.steps[_WARM_UP:] or self.steps)
        return total * step + evaluations * median(self.evaluations)

    def _lap(self) -> float:
        now = self._now()
        lap, self._since = now - self._since, now
        return lap

    def _now(self) -> float:
        if self.queued:
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()
