"""The points of a sweep as one table: the best first, and what differs between them as columns."""

from collections.abc import Sequence
from dataclasses import replace

from dba_cli.comparison._model import Row, Section


def ranked(name: str, sections: Sequence[Section]) -> Section:
    """Return one section with each optimizer's runs of each config, by falling mean accuracy.

    A key of another optimizer makes no rows: where its points train an entry alike, the entry stands once.
    What no point was asked for (other optimizers, other seeds) is not missing; a point that lacks what others
    have is said to.
    """
    rows: dict[tuple[str, str], Row] = {}
    untried = 0
    for section in sections:
        current = [row for row in section.rows if row.current]
        untried += not any(row.runs for row in current)
        for row in current:
            known = rows.get((row.optimizer, row.config_hash))
            if row.runs and (known is None or len(row.runs) > len(known.runs)):
                rows[row.optimizer, row.config_hash] = row
    seeds = sorted({seed for row in rows.values() for seed in row.finished + row.diverged})
    plain = [
        replace(row, plan=row.plan.model_copy(update={"seeds": seeds}), vs_sgd=None, vs_adam=None, notes=())
        for row in rows.values()
    ]
    best_first = sorted(
        plain, key=lambda row: -1.0 if row.accuracy is None else row.accuracy.mean, reverse=True
    )
    settings = {section.setting for section in sections if section.setting is not None}
    notes = []
    if untried:
        notes.append(f"{untried} of the points {'has' if untried == 1 else 'have'} no run yet")
    if any(row.missing for row in plain):
        notes.append("some rows have fewer seeds than others")
    if diverged := sum(bool(row.diverged) for row in plain):
        notes.append(f"{diverged} of {len(plain)} rows diverged with a seed or more, which is in no figure")
    if any(run.data.evaluated_on == "test" for row in plain for run in row.runs):
        notes.append(
            "the order is that of the test set, which should choose nothing; a sweep to choose by takes"
            " --set data.evaluate_on=validation"
        )
    return Section(
        experiment=name,
        description="",
        setting=next(iter(settings)) if len(settings) == 1 else None,
        notice=" ".join(sorted({section.notice for section in sections if section.notice})) or None,
        seeds=tuple(seeds),
        rows=tuple(best_first),
        notes=tuple(notes),
        sets={},
        ranked=True,
    )


def differing(rows: Sequence[Row]) -> list[str]:
    """Return the keys whose values differ between rows of an optimizer, in the config's order."""
    first = {row.optimizer: row.settings for row in reversed(rows) if row.settings}
    keys = dict.fromkeys(key for row in rows for key in row.settings)
    return [
        key
        for key in keys
        if any(row.settings.get(key) != first[row.optimizer].get(key) for row in rows if row.settings)
    ]
