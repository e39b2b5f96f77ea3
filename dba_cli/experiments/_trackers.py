"""Trackers: the history of a run under way, for the programs in which people watch runs.

A tracker is added by one class here, with its name in the table; one of somebody's own is named
``module:Class`` and needs no place here.
"""

import hashlib
import logging
import os
import shutil
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from dba_cli.errors import UserError, one_line
from dba_cli.experiments._plan import PlannedRun
from dba_cli.method import Registry
from dba_cli.records import Evaluation, locked, settings_of
from dba_cli.training import Observer

Status = Literal["finished", "stopped", "failed"]


class Tracker(Observer, ABC):
    """Shows one run in another program while it goes on.

    A subclass opens, logs and closes, and imports its package no earlier. Whatever it raises ends the
    tracking, with one notice, and never the run.

    Attributes:
        title: what the program is called.
        package: the module that has to be installed.
        folder: of the run's record; it is the run's own.
        results: the folder of all records.
        experiment: its name.
        name: the run's, such as ``"dba seed 0"``.
        identity: 16 characters that stand for ``folder``: two runs with one are the same run.
        settings: what determines the run, by dotted key, such as ``optimizer.lr``.
    """

    title: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, run: PlannedRun, notify: Callable[[str], None]) -> None:
        self.folder = run.folder.path.absolute()
        self.results = self.folder.parents[2]
        self.experiment, self.name = run.experiment, f"{run.optimizer} seed {run.seed}"
        self.identity = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        self.settings = settings_of(run.config.model_dump(mode="json", exclude={"sweep"}))
        self._notify, self._broken = notify, False

    @abstractmethod
    def open(self, history: Sequence[Evaluation]) -> None:
        """Begin, or go on with what stands there of this run; without a history, replace it.

        ``history`` is what a stopped run has measured so far. Each of its evaluations is logged again after
        this: a subclass passes over those that it has already.
        """

    @abstractmethod
    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of an evaluation after ``step`` updates, so that whoever watches sees them."""

    @abstractmethod
    def close(self, status: Status) -> None:
        """Close what ``open`` has opened, whether that has succeeded or not."""

    def opened(self, history: Sequence[Evaluation]) -> None:
        """Open, and log what there is."""
        self._guarded(self.open, history)
        for row in history:
            self.evaluated(row)

    def evaluated(self, evaluation: Evaluation) -> None:
        """Log the evaluation."""
        self._guarded(self.log, evaluation.step, _figures(evaluation))

    def ended(self, status: Status) -> None:
        """Close."""
        self._guarded(self.close, status)

    def _guarded(self, act: Callable[..., None], *arguments: Any) -> None:
        if self._broken and act != self.close:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of packages about themselves
                act(*arguments)
        except Exception as error:
            reason = getattr(error, "strerror", None) or one_line(error)
            if not self._broken:
                self._notify(
                    f"{self.folder}: {self.title} cannot be written ({reason:.300}); the run goes on"
                )
            self._broken = True


TRACKERS: Registry[Callable[[PlannedRun, Callable[[str], None]], Tracker]] = Registry("tracker", True)


def require_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is unknown, or whose package is not installed, before the first run."""
    for name in names:
        try:
            tracker = TRACKERS[name]
        except ValueError as error:
            raise UserError(f"--tracker: {error}") from None
        package = getattr(tracker, "package", None)
        if package is not None and find_spec(package) is None:
            title = getattr(tracker, "title", name)
            extra = f"'dba-cli[{name}]'" if name in TRACKERS else package
            raise UserError(f"--tracker {name}: {title} is not installed; pip install {extra}")


@contextmanager
def tracked(
    run: PlannedRun, names: Sequence[str], notify: Callable[[str], None]
) -> Iterator[Sequence[Tracker]]:
    """Yield the trackers of a run, and tell them how it ended."""
    trackers = [TRACKERS[name](run, notify) for name in names]
    status: Status = "failed"
    try:
        yield trackers
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise
    finally:
        for each in trackers:
            each.ended(status)


def _figures(row: Evaluation) -> dict[str, float]:
    figures = {
        "accuracy/test": row.test_accuracy,
        "loss/test": row.test_loss,
        "loss/train": row.train_loss,
        "time/training seconds": row.seconds,
        **{name.replace(".", "/", 1): value for name, value in row.by_layer.items()},
    }
    return {name: value for name, value in figures.items() if value is not None}


@TRACKERS.register("tensorboard")
class TensorBoard(Tracker):
    """Event files in the run's folder: ``tensorboard --logdir results``."""

    title, package = "TensorBoard", "tensorboard"
    _writer: Any = None

    def open(self, history: Sequence[Evaluation]) -> None:
        """Keep the events up to where the run goes on; TensorBoard forgets later ones."""
        from torch.utils.tensorboard import SummaryWriter

        folder, begins = self.folder / "tensorboard", history[-1].step + 1 if history else 0
        if not history:
            shutil.rmtree(folder, ignore_errors=True)
        self._next = begins if any(folder.glob("events*")) else 0
        self._writer = SummaryWriter(str(folder), purge_step=begins)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a scalar for each."""
        if step >= self._next:
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def close(self, status: Status) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


@TRACKERS.register("mlflow")
class MLflow(Tracker):
    """An MLflow run for each run, in ``$MLFLOW_TRACKING_URI`` or in the folder ``mlruns`` of the results."""

    title, package = "MLflow", "mlflow"
    _client: Any = None
    _run: str | None = None

    def open(self, history: Sequence[Evaluation]) -> None:
        """Go on with the run of this folder; one without a history replaces it."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # which needs no database
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        elsewhere = os.environ.get("MLFLOW_TRACKING_URI")
        store = None if elsewhere else self.results / "mlruns"
        client = self._client = MlflowClient(elsewhere or (self.results / "mlruns").as_uri())
        with locked(self.results, wait=True):  # two at once would make two experiments of one name
            found = client.get_experiment_by_name(self.experiment)
            number = found.experiment_id if found else client.create_experiment(self.experiment)
        self._seen: dict[str, set[int]] = {}
        for name in self._before(number, store):
            if history and self._run is None and (store is None or _whole(store / number / name)):
                self._go_on(name)
            if name != self._run and store is not None:
                shutil.rmtree(store / number / name, ignore_errors=True)
            elif name != self._run:
                client.delete_run(name)
        if self._run is None:
            tags = {"dba.run": self.identity, "dba.folder": str(self.folder)}
            self._run = self._client.create_run(number, tags=tags, run_name=self.name).info.run_id
            for key, value in self.settings.items():
                self._client.log_param(self._run, key, value)

    def _before(self, number: str, store: Path | None) -> list[str]:
        """Return this folder's runs; one file that is cut off would stop MLflow's own search."""
        if store is None:
            found = self._client.search_runs([number], f"tags.`dba.run` = '{self.identity}'")
            return [run.info.run_id for run in found]
        tags = (store / number).glob("*/tags/dba.run")
        return [tag.parents[1].name for tag in tags if tag.read_bytes() == self.identity.encode()]

    def _go_on(self, name: str) -> None:
        try:
            for key in self._client.get_run(name).data.metrics:
                self._seen[key] = {each.step for each in self._client.get_metric_history(name, key)}
        except Exception:  # a file that was cut off: the whole is written anew
            self._seen = {}
            return
        self._run = name
        self._client.update_run(name, status="RUNNING")

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Log those that the run has not."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, step)
            for name, value in figures.items()
            if step not in self._seen.get(name, ())
        ]
        self._client.log_batch(self._run, metrics)

    def close(self, status: Status) -> None:
        """Say how the run ended."""
        if self._run is not None:
            ended = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
            self._client.set_terminated(self._run, ended[status])


def _whole(run: Path) -> bool:
    """Return whether no line of MLflow's files was cut off, as by a power cut."""
    files = [file for file in (run / "metrics").rglob("*") if file.is_file()]
    return all(file.read_bytes().endswith(b"\n") for file in files)


@TRACKERS.register("wandb")
class WeightsAndBiases(Tracker):
    """A W&B run for each run, offline in the run's folder: ``wandb sync`` sends it, nothing else does."""

    title, package = "Weights & Biases", "wandb"
    _run: Any = None

    def open(self, history: Sequence[Evaluation]) -> None:
        """Write the run anew: W&B goes on with none that is offline."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        shutil.rmtree(self.folder / "wandb", ignore_errors=True)
        self._run = wandb.init(
            mode="offline",
            project=self.experiment,
            name=self.name,
            id=self.identity,
            dir=str(self.folder),
            config=self.settings,
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, save_code=False, reinit="create_new"
            ),
        )

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Log them."""
        self._run.log(dict(figures), step=step)

    def close(self, status: Status) -> None:
        """Close the run's file, and wait for the process that writes it."""
        if self._run is not None:
            import wandb

            self._run.finish(exit_code=0 if status == "finished" else 1)
            if wandb.run is None:  # nobody else in this process uses it
                wandb.teardown()
