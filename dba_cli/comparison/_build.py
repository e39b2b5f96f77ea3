"""From recorded runs to tables: which records count, which runs share a row, and which rows a table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dba_cli.comparison._model import Comparison, Row, Section, Setting, seeds_text
from dba_cli.comparison._ranking import ranked
from dba_cli.comparison._statistics import Estimate, error_reduction
from dba_cli.errors import UserError, did_you_mean
from dba_cli.records import (
    ExperimentFolder,
    ExperimentRecord,
    RunFolder,
    RunRecord,
    experiments_in,
    read_sweep,
)


def compare(results: Path, names: Sequence[str] | None = None, *, strict: bool = False) -> Comparison:
    """Return the tables of the named experiments under ``results``, or of all by name; a sweep's as one too.

    Runs share a row only with the same optimizer and config, and a table only with the same
    experiment, protocol, dataset, source, draw and numbers of images.

    Raises:
        UserError: Nothing is recorded under ``results``, a name is unknown, or a record is damaged
            or lies where another one belongs; where ``strict``, a run that was planned is missing.
    """
    sweep = read_sweep(results)
    sets = {point.name: point.values for point in sweep.points} if sweep is not None else {}
    read = [_read(folder) for folder in _folders(results, names)]
    whole = sweep is not None and not names and {plan.name for plan, _ in read} <= sets.keys()
    if whole:
        read = _asked_for(read)
    sections = tuple(
        section for plan, runs in read for section in _sections(plan, runs, sets.get(plan.name, {}))
    )
    comparison = Comparison(sections, ranked(results.resolve().name, sections) if whole else None)
    if strict and comparison.incomplete:
        more = len(comparison.incomplete) - 1
        raise UserError(comparison.incomplete[0] + (f" (and {more} more)" if more else ""))
    return comparison


def _folders(results: Path, names: Sequence[str] | None) -> list[ExperimentFolder]:
    """Return the named experiments in the order given, or all of them by name."""
    folders = {folder.path.name: folder for folder in experiments_in(results)}
    if not folders:
        raise UserError(
            f"{results}: no recorded experiments; make some with 'dba run mnist_1pct', or give --results DIR"
        )
    wanted = list(dict.fromkeys(names)) if names else list(folders)
    for name in wanted:
        if name not in folders:
            raise UserError(f"no experiment {name!r} under {results}{did_you_mean(name, list(folders))}")
    return [folders[name] for name in wanted]


def _asked_for(
    points: Sequence[tuple[ExperimentRecord, list[RunRecord]]],
) -> list[tuple[ExperimentRecord, list[RunRecord]]]:
    """Return a sweep's points, planned with optimizers and seeds that one has: others were not asked for."""
    optimizers = {run.optimizer for _, runs in points for run in runs}
    seeds = {run.seed for _, runs in points for run in runs}
    if not optimizers:
        return list(points)
    return [
        (
            plan.model_copy(
                update={
                    "optimizers": {name: of for name, of in plan.optimizers.items() if name in optimizers},
                    "seeds": [seed for seed in plan.seeds if seed in seeds],
                }
            ),
            runs,
        )
        for plan, runs in points
    ]


def _read(folder: ExperimentFolder) -> tuple[ExperimentRecord, list[RunRecord]]:
    """Return the plan and the records of the runs that were made."""
    plan = folder.plan()
    if plan.name != folder.path.name:
        raise UserError(f"{folder.plan_file}: misplaced record: it is of experiment {plan.name!r}")
    return plan, [record for run in folder.runs() if (record := _read_run(plan, run))]


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


def _sections(plan: ExperimentRecord, runs: list[RunRecord], sets: Mapping[str, Any]) -> list[Section]:
    groups: dict[tuple[Setting, str, str], list[RunRecord]] = defaultdict(list)
    for run in runs:
        groups[_setting(run), run.optimizer, run.config_hash].append(run)
    tables: dict[Setting | None, list[Row]] = defaultdict(list)
    for (setting, optimizer, config_hash), members in groups.items():
        by_seed = tuple(sorted(members, key=lambda run: run.seed))
        tables[setting].append(Row(optimizer, config_hash, plan, by_seed))
    made = {row.optimizer for rows in tables.values() for row in rows if row.current}
    planned = [Row(*entry, plan) for entry in plan.optimizers.items() if entry[0] not in made]
    if planned and not made:
        tables[None] = []
    # What the plan is about comes first, what is left from other configs after it.
    ordered = sorted(
        tables, key=lambda each: (not (each is None or any(row.current for row in tables[each])), repr(each))
    )
    # A planned optimizer without runs stands where the plan's other runs do.
    if planned:
        tables[ordered[0]] += planned
    return [_section(plan, setting, tables[setting], sets) for setting in ordered]


def _setting(run: RunRecord) -> Setting:
    shared = run.data.model_dump(include={"dataset", "title", "source", "n_train", "n_test"})
    return Setting(protocol=run.protocol, draw=tuple(sorted(run.data.draw.items())), **shared)


def _section(
    plan: ExperimentRecord, setting: Setting | None, rows: list[Row], sets: Mapping[str, Any]
) -> Section:
    rank = {name: number for number, name in enumerate(plan.optimizers)}
    rows.sort(key=lambda r: (rank.get(r.optimizer, len(rank)), r.optimizer, not r.current, r.config_hash))
    sgd, adam = _baseline("sgd", rows), _baseline("adam", rows)
    notices = sorted({run.data.notice for row in rows for run in row.runs if run.data.notice})
    return Section(
        experiment=plan.name,
        description=plan.description,
        setting=setting,
        notice=" ".join(notices) or None,
        seeds=tuple(sorted(set(plan.seeds))),
        rows=tuple(_compared(row, sgd, adam) for row in rows),
        notes=tuple(
            f"no baseline for vs {label}: several entries of kind {kind}, none of them named {kind!r}"
            for label, kind, base in (("SGD", "sgd", sgd), ("Adam", "adam", adam))
            if base is None and sum(row.current and row.kind == kind for row in rows) > 1
        ),
        sets=sets,
    )


def _baseline(kind: str, rows: list[Row]) -> Row | None:
    """Return the row that others are measured against: the one named as its kind, else the only one.

    Only current rows: under another config the training may have been another one.
    """
    of_kind = [row for row in rows if row.current and row.kind == kind]
    candidates = [row for row in of_kind if row.optimizer == kind] or of_kind
    return candidates[0] if len(candidates) == 1 else None


def _compared(row: Row, sgd: Row | None, adam: Row | None) -> Row:
    """Return the row measured against its baselines, with a note for whatever a reader must know."""
    notes = []
    if row.optimizer not in row.plan.optimizers:
        notes.append("not in the experiment's plan: not compared")
    elif not row.current:
        notes.append(f"runs of another config ({row.config_hash[:8]}) than the plan's: not compared")
    if row.missing:
        notes.append(f"{seeds_text(row.missing)} missing")
    for run in row.counted:
        if run.final is None:
            at = "" if run.diverged_at_step is None else f" at step {run.diverged_at_step}"
            notes.append(f"seed {run.seed} diverged{at}: in no figure")
    if extra := {run.seed for run in row.runs} - {run.seed for run in row.counted}:
        notes.append(f"{seeds_text(extra)} not in the plan: in no figure")
    vs_sgd, vs_adam = _versus("SGD", row, sgd, notes), _versus("Adam", row, adam, notes)
    return replace(row, vs_sgd=vs_sgd, vs_adam=vs_adam, notes=tuple(notes))


def _versus(label: str, row: Row, base: Row | None, notes: list[str]) -> Estimate | None:
    """Return the error reduction against ``base``; add to ``notes`` where it is not over all seeds."""
    if base is None or base is row or not row.current:
        return None
    ours, theirs = row.errors, base.errors
    common = ours.keys() & theirs.keys()
    # A pair is a pair because both saw the same images; the seed alone does not prove it.
    draws = {run.seed: run.data.draw_sha256 for run in base.runs}
    other = {run.seed for run in row.runs if run.seed in common and run.data.draw_sha256 != draws[run.seed]}
    paired = sorted(common - other)
    if other:
        notes.append(f"{seeds_text(other)} drew other images than {base.optimizer}: not paired")
    reduction = error_reduction([(ours[seed], theirs[seed]) for seed in paired])
    if reduction is None and paired:
        perfect = [seed for seed in paired if theirs[seed] == 0]
        notes.append(f"vs {label} undefined: {base.optimizer} makes no error with {seeds_text(perfect)}")
    elif len(paired) < len(ours):
        notes.append(f"vs {label} over {len(paired)} of {len(ours)} finished seeds")
    return reduction
