"""From recorded runs to tables: which runs share a row, and which rows a table."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from dba_cli.comparison._model import Comparison, Section, Setting
from dba_cli.comparison._read import Experiment, read_experiments
from dba_cli.comparison._rows import Group, baseline, make_row
from dba_cli.errors import UserError
from dba_cli.records import ExperimentRecord, RunRecord


def compare(results: Path, names: Sequence[str] | None = None, *, strict: bool = False) -> Comparison:
    """Return the tables of the named experiments under ``results``, or of all by name.

    Runs share a row only with the same optimizer and config, and a table only with the same
    experiment, protocol, dataset, source, draw and numbers of images.

    Raises:
        UserError: Nothing is recorded under ``results``, a name is unknown, or a record is damaged
            or lies where another one belongs; where ``strict``, a run that was planned is missing.
    """
    experiments = read_experiments(results, names)
    comparison = Comparison(tuple(section for each in experiments for section in _sections(each)))
    if strict and comparison.incomplete:
        more = len(comparison.incomplete) - 1
        raise UserError(comparison.incomplete[0] + (f" (and {more} more)" if more else ""))
    return comparison


def _sections(experiment: Experiment) -> list[Section]:
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
    return [_section(plan, setting, groups) for setting, groups in tables]


def _setting(run: RunRecord) -> Setting:
    data = run.data
    return Setting(
        protocol=run.protocol,
        dataset=data.dataset,
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


def _section(plan: ExperimentRecord, setting: Setting | None, groups: list[Group]) -> Section:
    order = list(plan.optimizers)

    def place(group: Group) -> tuple[int, str, bool, str]:
        rank = order.index(group.optimizer) if group.optimizer in order else len(order)
        return rank, group.optimizer, not group.current, group.config_hash

    sgd, adam = baseline("sgd", groups), baseline("adam", groups)
    notices = sorted({run.data.notice for group in groups for run in group.runs if run.data.notice})
    return Section(
        experiment=plan.name,
        description=plan.description,
        setting=setting,
        notice=" ".join(notices) or None,
        seeds=tuple(sorted(set(plan.seeds))),
        rows=tuple(make_row(group, setting, sgd, adam) for group in sorted(groups, key=place)),
        notes=tuple(
            f"no baseline for vs {label}: several entries of kind {kind}, none of them named {kind!r}"
            for label, kind, base in (("SGD", "sgd", sgd), ("Adam", "adam", adam))
            if base is None and sum(group.current and group.kind == kind for group in groups) > 1
        ),
    )
