"""Finding the experiments, and refusing records that are not what their place says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dba_cli.errors import UserError, did_you_mean
from dba_cli.records import ExperimentFolder, ExperimentRecord, RunFolder, RunRecord, experiments_in


@dataclass(frozen=True)
class Experiment:
    """An experiment's plan and the records of the runs that were made."""

    plan: ExperimentRecord
    runs: list[RunRecord]


def read_experiments(results: Path, names: Sequence[str] | None) -> list[Experiment]:
    """Read the named experiments in the order given, or all of them by name.

    Raises:
        UserError: Nothing is recorded under ``results``, a name is unknown, or a record is damaged
            or lies where another one belongs.
    """
    folders = {folder.path.name: folder for folder in experiments_in(results)}
    if not folders:
        raise UserError(
            f"{results}: no recorded experiments; make some with `dba run configs/mnist_1pct.yaml`, "
            "or give --results DIR"
        )
    wanted = list(dict.fromkeys(names)) if names else list(folders)
    for name in wanted:
        if name not in folders:
            raise UserError(f"no experiment {name!r} under {results}{did_you_mean(name, list(folders))}")
    return [_read(folders[name]) for name in wanted]


def _read(folder: ExperimentFolder) -> Experiment:
    plan = folder.plan()
    if plan.name != folder.path.name:
        raise UserError(f"{folder.plan_file}: misplaced record: it is of experiment {plan.name!r}")
    return Experiment(plan, [record for run in folder.runs() if (record := _read_run(plan, run))])


def _read_run(plan: ExperimentRecord, run: RunFolder) -> RunRecord | None:
    record = run.read()
    if record is None:
        return None
    says = (record.experiment, record.optimizer, f"seed-{record.seed}")
    if says != (plan.name, run.path.parent.name, run.path.name):
        raise UserError(f"{run.result_file}: misplaced record: it is of {'/'.join(says)}")
    fault = _fault(record)
    if fault is not None:
        raise UserError(f"{run.result_file}: damaged record: {fault}; delete it and run again")
    return record


def _fault(record: RunRecord) -> str | None:
    """Return how a record contradicts itself; every figure of a table rests on these."""
    final, n_test = record.final, record.data.n_test
    if (record.status == "finished") != (final is not None):
        return f"status is {record.status!r} but final is {'absent' if final is None else 'present'}"
    if final is None:
        return None
    errors = final.test_errors
    if n_test == 0 or errors is None or errors > n_test:
        return f"final.test_errors is {errors} of {n_test} test images"
    # Half an image of slack: an accuracy may have been rounded to single precision.
    if abs(final.test_accuracy * n_test - (n_test - errors)) > 0.5:
        return f"final.test_accuracy is {final.test_accuracy} but final.test_errors is {errors}"
    return None
