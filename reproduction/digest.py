"""From the runs of a study to one row per run: what is committed, and all that the report reads.

A study has up to a thousand runs of a few small files each; ``runs.csv`` (and ``histories.csv``, the curves)
hold the same figures in a form that can be read and compared between two commits.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dba_cli.records import (
    ExperimentFolder,
    RunFolder,
    RunRecord,
    read_sweep,
    write_atomically,
)
from reproduction.studies import Study

_HISTORY = ["point", "optimizer", "seed", "step", "samples", "seconds", "accuracy"]


def write_digest(study: Study, results: Path) -> int:
    """Write ``runs.csv`` (and ``histories.csv``) beside the runs of ``study``; return how many there are."""
    rows, histories = [], []
    folder = results / study.name
    for point, values, run, record in _finished(study, folder):
        rows.append({"point": point, "values": json.dumps(values, sort_keys=True), **_row(record)})
        if study.histories:
            histories += [_evaluation(point, record, evaluation) for evaluation in run.history()]
    write_atomically(folder / "runs.csv", _csv(pd.DataFrame(rows)))
    if study.histories:
        write_atomically(folder / "histories.csv", _csv(pd.DataFrame(histories, columns=_HISTORY)))
    return len(rows)


def read_digest(study: str, results: Path) -> pd.DataFrame:
    """Return the rows of ``runs.csv`` with the points' values as columns; empty where there are none."""
    try:
        runs = pd.read_csv(results / study / "runs.csv").astype({"point": "object"})
    except FileNotFoundError:
        return pd.DataFrame()
    runs["point"] = runs.point.fillna("")  # a study that is one experiment has no points
    values = pd.DataFrame([json.loads(text) for text in runs.pop("values")], index=runs.index)
    return pd.concat([runs, values], axis=1)


def read_histories(study: str, results: Path) -> pd.DataFrame:
    """Return the evaluations of every run, in their order."""
    try:
        return pd.read_csv(results / study / "histories.csv")
    except FileNotFoundError:
        return pd.DataFrame(columns=_HISTORY)


def _finished(study: Study, folder: Path) -> Iterator[tuple[str, dict[str, Any], RunFolder, RunRecord]]:
    """Yield point, its values, and every run of the points' own configs, in the order of the plan."""
    if study.sweep:
        sweep = read_sweep(folder)
        points = [] if sweep is None else [(point.name, point.values) for point in sweep.points]
    else:
        points = [("", {})]
    for name, values in points:
        experiment = ExperimentFolder(folder / name)
        if not experiment.plan_file.exists():  # a sweep that is not over
            continue
        plan = experiment.plan()
        for optimizer, wanted in plan.optimizers.items():
            for seed in plan.seeds:
                run = experiment.run(optimizer, seed)
                record = run.read()
                if record is not None and record.config_hash == wanted:
                    yield name, values, run, record


def _row(record: RunRecord) -> dict[str, Any]:
    final = record.final
    return {
        "optimizer": record.optimizer,
        "seed": record.seed,
        "status": record.status,
        "protocol": record.protocol,
        "n_train": record.data.n_train,
        "parameters": record.parameters,
        "steps": record.diverged_at_step if final is None else final.step,
        "samples": None if final is None else final.samples_processed,
        "errors": None if final is None else final.test_errors,
        "copies_errors": None if final is None else final.copies_errors,
        "evaluated": record.data.n_test,
        "seconds": round(record.durations.training, 2),
        "config_hash": record.config_hash[:12],
        "git_revision": (record.git_revision or "")[:12],
    }


def _evaluation(point: str, record: RunRecord, evaluation: Any) -> dict[str, Any]:
    return {
        "point": point,
        "optimizer": record.optimizer,
        "seed": record.seed,
        "step": evaluation.step,
        "samples": evaluation.samples_processed,
        "seconds": round(evaluation.seconds, 3),
        "accuracy": evaluation.test_accuracy,
    }


def _csv(rows: pd.DataFrame) -> str:
    # Whole numbers stay whole where some are missing.
    return rows.convert_dtypes().to_csv(index=False, lineterminator="\n")
