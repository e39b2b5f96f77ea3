"""Where records lie: ``<results>/<experiment>/<optimizer>/seed-<k>/``."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dba_cli.errors import UserError
from dba_cli.records._evaluation import Evaluation, history_text, read_history
from dba_cli.records._files import (
    LARGEST_RECORD,
    UNFINISHED,
    locked,
    parse_model,
    read_bytes,
    read_model,
    write_atomically,
)
from dba_cli.records._result import ExperimentRecord, FailureRecord, RunRecord, SweepRecord
from dba_cli.records._seal import check_seal, sealed


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. ``result.json`` is written last: where it stands, the run is finished."""

    path: Path

    @property
    def result_file(self) -> Path:
        """Return the file whose presence means that the run is finished."""
        return self.path / "result.json"

    @property
    def trace_file(self) -> Path:
        """Return the selection trace, which stands there with ``training.trace: true`` only."""
        return self.path / "trace.npz"

    @property
    def predictions_file(self) -> Path:
        """Return the test predictions, which stand there with ``training.trace: true`` only."""
        return self.path / "predictions.npz"

    @property
    def weights_file(self) -> Path:
        """Return the trained network, which stands there with ``training.save_weights: true`` only."""
        return self.path / "weights.safetensors"

    def checkpoint_file(self, config_hash: str, computed_on: str) -> Path:
        """Return the file of the run's state while it goes on.

        Another config, and another place to compute it on, have another file: none is in the other's way.
        """
        place = hashlib.sha256(computed_on.encode()).hexdigest()
        return self.path / f"checkpoint-{config_hash[:12]}-{place[:8]}.pt"

    def checkpoints(self) -> list[Path]:
        """Return the states that are there, of whatever config."""
        return sorted(self.path.glob("checkpoint-*.pt"))

    def read(self) -> RunRecord | None:
        """Return the run's record, None if it has not finished.

        Raises:
            UserError: ``result.json`` is damaged, or it or a file that it seals was changed.
        """
        content = read_bytes(self.result_file, LARGEST_RECORD)
        if content is None:
            return None
        record = parse_model(self.result_file, content, RunRecord)
        try:
            check_seal(self.path, record, content)
        except UserError:
            if read_bytes(self.result_file) == content:
                raise
            return self.read()  # another process did the run again meanwhile
        return record

    def history(self) -> list[Evaluation]:
        """Return the run's evaluations in their order, at least one.

        Raises:
            UserError: ``history.csv`` is missing or damaged, or ends before the run did.
        """
        record = self.read()
        final = None if record is None else record.final
        return read_history(self.path / "history.csv", None if final is None else final.step)

    def discard(self) -> None:
        """Take the finished mark away, before a run is done again; then what it might not write again.

        What a killed process left half written goes as well: nobody else may be at work here.

        Raises:
            UserError: A file cannot be removed.
        """
        half_written = self.path.glob(f".*{UNFINISHED}")
        failure = self.path / "failure.json"
        kept = (self.trace_file, self.predictions_file, self.weights_file)
        for path in (self.result_file, failure, *kept, *half_written):
            _remove(path)

    def discard_checkpoints(self) -> None:
        """Take away the states of a run that needs them no more.

        Raises:
            UserError: A file cannot be removed.
        """
        for path in self.checkpoints():
            _remove(path)

    def write_history(self, history: Sequence[Evaluation]) -> None:
        """Write ``history.csv`` for whoever follows a run under way: whole, but not flushed to the disk."""
        write_atomically(self.path / "history.csv", history_text(history), flush=False)

    def write(self, config: str, history: Sequence[Evaluation], record: RunRecord) -> RunRecord:
        """Write ``config.yaml``, ``history.csv`` and then ``result.json``, each atomically.

        Return the record with its seal, which is of all files of the run.
        """
        texts = {"config.yaml": config, "history.csv": history_text(history)}
        for name, text in texts.items():
            write_atomically(self.path / name, text)
        record = sealed(self.path, record, texts)
        write_atomically(self.result_file, record.model_dump_json(indent=2) + "\n")
        return record

    def failure(self) -> FailureRecord | None:
        """Return how the run failed; None where it did not, or where nothing whole says so."""
        try:
            return read_model(self.path / "failure.json", FailureRecord)
        except UserError:
            return None  # it only says to leave the run alone: without it, the run is done again

    def write_failure(self, failure: FailureRecord) -> None:
        """Write ``failure.json`` atomically; raise UserError where the folder cannot be written."""
        write_atomically(self.path / "failure.json", failure.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class ExperimentFolder:
    """The folder of one experiment: what it is made of, and its runs."""

    path: Path

    @property
    def plan_file(self) -> Path:
        """Return the file that says which runs make the experiment complete."""
        return self.path / "experiment.json"

    def run(self, optimizer: str, seed: int) -> RunFolder:
        """Return the folder of one run, which need not exist."""
        return RunFolder(self.path / optimizer / f"seed-{seed}")

    def plan(self) -> ExperimentRecord:
        """Return what the experiment is made of.

        Raises:
            UserError: ``experiment.json`` is missing or damaged.
        """
        plan = read_model(self.plan_file, ExperimentRecord)
        if plan is None:
            raise UserError(f"{self.plan_file}: cannot be read (No such file or directory)")
        return plan

    def write_plan(self, plan: ExperimentRecord) -> None:
        """Write ``experiment.json`` atomically."""
        write_atomically(self.plan_file, plan.model_dump_json(indent=2) + "\n")

    def runs(self) -> list[RunFolder]:
        """Return the folders of all runs, finished or not, in the order of optimizer name and seed."""
        folders = (path for path in self.path.glob("*/seed-*") if re.fullmatch(r"seed-[0-9]+", path.name))
        in_order = sorted(folders, key=lambda path: (path.parent.name, int(path.name.removeprefix("seed-"))))
        return [RunFolder(path) for path in in_order]


def experiments_in(results: Path) -> list[ExperimentFolder]:
    """Return the experiments recorded directly under ``results``, by name."""
    return [ExperimentFolder(path.parent) for path in sorted(results.glob("*/experiment.json"))]


def read_sweep(folder: Path) -> SweepRecord | None:
    """Return what ``sweep.json`` in ``folder`` says, None where there is none.

    Raises:
        UserError: It is damaged or cannot be read.
    """
    return read_model(folder / "sweep.json", SweepRecord)


def add_to_sweep(folder: Path, sweep: SweepRecord) -> None:
    """Write ``sweep.json``; the points of earlier sweeps in this folder stay on the list.

    A list that forgot them would hide how many points were tried.

    Raises:
        UserError: The file is damaged, is of another experiment or cannot be written.
    """
    with locked(folder, wait=True):
        before = read_sweep(folder)
        if before is not None and before.experiment != sweep.experiment:
            raise UserError(
                f"{folder}: holds a sweep of {before.experiment!r}, not of {sweep.experiment!r}; "
                "give another --name"
            )
        old = before.points if before is not None else []
        names = {point.name for point in old}
        points = [*old, *(point for point in sweep.points if point.name not in names)]
        whole = sweep.model_copy(update={"points": points})
        write_atomically(folder / "sweep.json", whole.model_dump_json(indent=2) + "\n")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        pass
    except OSError as error:
        raise UserError(f"{path}: cannot be removed ({error.strerror})") from None
