"""From the runs of one optimizer to its row: figures, pairs with the baselines, marks."""

from collections.abc import Sequence
from dataclasses import dataclass

from dba_cli.comparison._model import PaperFigures, Row, Setting
from dba_cli.comparison._statistics import (
    Estimate,
    error_reduction,
    implied_accuracy,
    mean_with_interval,
)
from dba_cli.comparison._wording import seeds_text
from dba_cli.records import ExperimentRecord, RunRecord


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


def baseline(kind: str, groups: Sequence[Group]) -> Group | None:
    """Return the group that others are measured against: the one named as its kind, else the only one.

    Only current groups: under another config the training may have been another one.
    """
    of_kind = [group for group in groups if group.current and group.kind == kind]
    named = [group for group in of_kind if group.optimizer == kind]
    candidates = named or of_kind
    return candidates[0] if len(candidates) == 1 else None


def make_row(group: Group, setting: Setting | None, sgd: Group | None, adam: Group | None) -> Row:
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
    if not group.current or group.kind is None:
        return None
    accuracy, reduction = paper.test_accuracy / 100, paper.error_reduction / 100
    if group.kind == "dba":
        return PaperFigures(accuracy, implied=False, error_reduction=reduction)
    implied = implied_accuracy(accuracy, reduction)
    return None if implied is None else PaperFigures(implied, implied=True, error_reduction=None)
