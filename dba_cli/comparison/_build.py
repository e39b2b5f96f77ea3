"""From recorded runs to tables: which runs share a row, which rows a table, and the figures of a row."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dba_cli.comparison._model import Comparison, Row, Section, Setting, seeds_text
from dba_cli.comparison._read import Experiment, read_experiments
from dba_cli.comparison._statistics import Estimate, error_reduction, mean_with_interval
from dba_cli.errors import UserError
from dba_cli.records import ExperimentRecord, PaperFigures, RunRecord, read_sweep


@dataclass(frozen=True)
class Group:
    """The runs that one row is made of: one optimizer, one config, one setting; none if not yet run."""

    optimizer: str
    config_hash: str
    plan: ExperimentRecord
    runs: tuple[RunRecord, ...] = ()

    @property
    def current(self) -> bool:
        """Return whether these are runs of the plan's config."""
        return self.plan.optimizers.get(self.optimizer) == self.config_hash

    @property
    def kind(self) -> str | None:
        """Return the optimizer's kind, which only runs know."""
        return self.runs[0].optimizer_kind if self.runs else None

    @property
    def counted(self) -> list[RunRecord]:
        """Return the runs that count: with the plan's config, the plan's seeds and no others."""
        return [run for run in self.runs if not self.current or run.seed in self.plan.seeds]

    @property
    def finished(self) -> dict[int, RunRecord]:
        """Return the runs that ended with figures, by seed."""
        return {run.seed: run for run in self.counted if run.final is not None}

    @property
    def errors(self) -> dict[int, int]:
        """Return the test errors of the finished runs, by seed."""
        finals = {run.seed: run.final for run in self.counted if run.final is not None}
        return {seed: n for seed, final in finals.items() if (n := final.test_errors) is not None}


def compare(results: Path, names: Sequence[str] | None = None, *, strict: bool = False) -> Comparison:
    """Return the tables of the named experiments under ``results``, or of all by name.

    Runs share a row only with the same optimizer and config, and a table only with the same
    experiment, protocol, dataset, source, draw and numbers of images.

    Raises:
        UserError: Nothing is recorded under ``results``, a name is unknown, or a record is damaged
            or lies where another one belongs; where ``strict``, a run that was planned is missing.
    """
    experiments = read_experiments(results, names)
    sweep = read_sweep(results)
    sets = {point.name: point.values for point in sweep.points} if sweep is not None else {}
    comparison = Comparison(
        tuple(section for each in experiments for section in _sections(each, sets.get(each.plan.name, {})))
    )
    if strict and comparison.incomplete:
        more = len(comparison.incomplete) - 1
        raise UserError(comparison.incomplete[0] + (f" (and {more} more)" if more else ""))
    return comparison


def _sections(experiment: Experiment, sets: Mapping[str, Any]) -> list[Section]:
    plan = experiment.plan
    by_setting: dict[Setting, list[RunRecord]] = defaultdict(list)
    for run in experiment.runs:
        by_setting[_setting(run)].append(run)
    tables: list[tuple[Setting | None, list[Group]]] = [
        (setting, _groups(plan, by_setting[setting])) for setting in sorted(by_setting, key=repr)
    ]
    # What the plan is about comes first, what is left from other configs after it.
    tables.sort(key=lambda table: not any(group.current for group in table[1]))
    _add_planned(plan, tables)
    return [_section(plan, setting, groups, sets) for setting, groups in tables]


def _setting(run: RunRecord) -> Setting:
    data = run.data
    return Setting(
        protocol=run.protocol,
        dataset=data.dataset,
        title=data.title,
        source=data.source,
        draw=tuple(sorted(data.draw.items())),
        n_train=data.n_train,
        n_test=data.n_test,
    )


def _groups(plan: ExperimentRecord, runs: list[RunRecord]) -> list[Group]:
    groups: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
    for run in runs:
        groups[run.optimizer, run.config_hash].append(run)
    return [
        Group(optimizer, config_hash, plan, tuple(sorted(members, key=lambda run: run.seed)))
        for (optimizer, config_hash), members in groups.items()
    ]


def _add_planned(plan: ExperimentRecord, tables: list[tuple[Setting | None, list[Group]]]) -> None:
    """Give every planned optimizer without runs a row of its own, where the plan's other runs stand."""
    made = {group.optimizer for _, groups in tables for group in groups if group.current}
    planned = [
        Group(name, config_hash, plan) for name, config_hash in plan.optimizers.items() if name not in made
    ]
    if made:
        tables[0][1].extend(planned)
    elif planned:
        tables.insert(0, (None, planned))


def _section(
    plan: ExperimentRecord, setting: Setting | None, groups: list[Group], sets: Mapping[str, Any]
) -> Section:
    order = list(plan.optimizers)

    def place(group: Group) -> tuple[int, str, bool, str]:
        rank = order.index(group.optimizer) if group.optimizer in order else len(order)
        return rank, group.optimizer, not group.current, group.config_hash

    sgd, adam = _baseline("sgd", groups), _baseline("adam", groups)
    notices = sorted({run.data.notice for group in groups for run in group.runs if run.data.notice})
    return Section(
        experiment=plan.name,
        description=plan.description,
        setting=setting,
        notice=" ".join(notices) or None,
        seeds=tuple(sorted(set(plan.seeds))),
        rows=tuple(_row(group, setting, sgd, adam) for group in sorted(groups, key=place)),
        notes=tuple(
            f"no baseline for vs {label}: several entries of kind {kind}, none of them named {kind!r}"
            for label, kind, base in (("SGD", "sgd", sgd), ("Adam", "adam", adam))
            if base is None and sum(group.current and group.kind == kind for group in groups) > 1
        ),
        sets=sets,
    )


def _baseline(kind: str, groups: Sequence[Group]) -> Group | None:
    """Return the group that others are measured against: the one named as its kind, else the only one.

    Only current groups: under another config the training may have been another one.
    """
    of_kind = [group for group in groups if group.current and group.kind == kind]
    named = [group for group in of_kind if group.optimizer == kind]
    candidates = named or of_kind
    return candidates[0] if len(candidates) == 1 else None


def _row(group: Group, setting: Setting | None, sgd: Group | None, adam: Group | None) -> Row:
    """Return the row of a group beside its baselines, with a note for whatever a reader must know."""
    notes = _notes(group)
    # From the counts, which are exact; a recorded accuracy may have been rounded.
    accuracies = [1 - n / group.finished[seed].data.n_test for seed, n in group.errors.items()]
    vs_sgd = _versus("SGD", group, sgd, notes)
    vs_adam = _versus("Adam", group, adam, notes)
    seeds = {run.seed for run in group.counted}
    return Row(
        optimizer=group.optimizer,
        kind=group.kind,
        selects=any(run.selects for run in group.runs),
        config_hash=group.config_hash,
        current=group.current,
        planned=len(set(group.plan.seeds)) if group.current else None,
        finished=tuple(sorted(group.finished)),
        diverged=tuple(sorted(seeds - group.finished.keys())),
        missing=tuple(sorted(set(group.plan.seeds) - seeds)) if group.current else (),
        accuracy=mean_with_interval(accuracies) if accuracies else None,
        vs_sgd=vs_sgd,
        vs_adam=vs_adam,
        paper=_paper(group, setting),
        notes=tuple(notes),
        settings=group.runs[0].settings if group.runs else {},
        finals=tuple(run.final for run in group.counted if run.final is not None),
    )


def _notes(group: Group) -> list[str]:
    notes = []
    if group.optimizer not in group.plan.optimizers:
        notes.append("not in the experiment's plan: not compared")
    elif not group.current:
        notes.append(f"runs of another config ({group.config_hash[:8]}) than the plan's: not compared")
    seeds = {run.seed for run in group.counted}
    if group.current and (missing := set(group.plan.seeds) - seeds):
        notes.append(f"{seeds_text(missing)} missing")
    for run in group.counted:
        if run.final is None:
            at = "" if run.diverged_at_step is None else f" at step {run.diverged_at_step}"
            notes.append(f"seed {run.seed} diverged{at}: in no figure")
    if extra := {run.seed for run in group.runs} - seeds:
        notes.append(f"{seeds_text(extra)} not in the plan: in no figure")
    return notes


def _versus(label: str, group: Group, base: Group | None, notes: list[str]) -> Estimate | None:
    """Return the error reduction against ``base``; add to ``notes`` where it is not over all seeds."""
    if base is None or base is group or not group.current:
        return None
    ours, theirs = group.finished, base.finished
    common = sorted(ours.keys() & theirs.keys())
    # A pair is a pair because both saw the same images; the seed alone does not prove it.
    paired = [seed for seed in common if ours[seed].data.draw_sha256 == theirs[seed].data.draw_sha256]
    if other := set(common) - set(paired):
        notes.append(f"{seeds_text(other)} drew other images than {base.optimizer}: not paired")
    reduction = error_reduction([(group.errors[seed], base.errors[seed]) for seed in paired])
    if reduction is None and paired:
        perfect = [seed for seed in paired if base.errors[seed] == 0]
        notes.append(f"vs {label} undefined: {base.optimizer} makes no error with {seeds_text(perfect)}")
    elif len(paired) < len(ours):
        notes.append(f"vs {label} over {len(paired)} of {len(ours)} finished seeds")
    return reduction


def _paper(group: Group, setting: Setting | None) -> PaperFigures | None:
    """Return the paper's figures, for the runs that they can be held against."""
    paper = group.plan.paper
    # The paper's figures are of the official MNIST, whatever a config overrides.
    if paper is None or setting is None or (setting.source, setting.dataset) != ("official", "mnist"):
        return None
    return paper if group.current and group.kind in ("dba", "sgd", "adam") else None
