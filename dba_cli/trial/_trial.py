"""The trial itself: look, plan, tune, compare, say."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dba_cli.comparison import Comparison, called, compare, frame
from dba_cli.config import BaseOptimizerConfig, Config, OptimizerConfig, from_data, to_yaml
from dba_cli.data import Samples, findings, keep_out, read_data
from dba_cli.errors import UserError
from dba_cli.experiments import Reporter, Settings, Summary, run_experiments, sweep_folder
from dba_cli.inspection import seconds_text
from dba_cli.records import ExperimentFolder, write_atomically
from dba_cli.report import report_page
from dba_cli.trial._budget import first_rates, further_rates
from dba_cli.trial._plan import TrialPlan, planned_trial
from dba_cli.trial._template import slug, template
from dba_cli.trial._verdict import sentence

if TYPE_CHECKING:
    import pandas as pd

_Candidates = dict[str, dict[float, Any]]
"""By optimizer and learning rate the entries that are tried."""
MINUTES = 8.0
_OF_ENTRIES = OptimizerConfig.model_fields.keys() - BaseOptimizerConfig.model_fields.keys()
_LONGEST_NAME = 80  # the experiments' names go on after it


@dataclass(frozen=True)
class Verdict:
    """What a trial found. Where runs failed, ``summary`` says which, and there is nothing else."""

    summary: Summary
    comparison: Comparison = field(default_factory=lambda: Comparison(()))
    sentence: str = ""
    """DBA beside the best of the optimizers that do not select."""
    notes: tuple[str, ...] = ()
    """DBA beside its control, and what limits all this."""
    report: Path | None = None
    config: Path | None = None
    """From which ``dba run`` goes on."""

    @property
    def frame(self) -> "pd.DataFrame":
        """Return the table, a row for each optimizer."""
        return frame(self.comparison)


def try_data(
    path: Path,
    target: str | None,
    *,
    settings: Settings,
    reporter: Reporter,
    name: str | None = None,
    minutes: float = MINUTES,
    overrides: Sequence[str] = (),
) -> Verdict:
    """Compare SGD, Adam, DBA and random subsets on data of one's own; nothing under ``path`` is changed.

    Everything lies in the folder NAME_try of the results: ``plan.json``, the tuning and the comparison as
    experiments, ``config.yaml`` and ``report.html``. The same call goes on where it was stopped.

    Raises:
        UserError: Bad data, options or overrides, or a trial of other data or options in that folder.
    """
    if not 0.1 <= minutes <= 100_000:
        raise UserError(f"--minutes {minutes:g}: out of range (0.1 to 100000)")
    samples = read_data(path, target)
    name = name or slug(path)
    if len(name) > _LONGEST_NAME:
        raise UserError(f"--name {name}: give at most {_LONGEST_NAME} letters")
    folder = sweep_folder(settings.results, f"{name}_try")
    keep_out(path, folder)
    wanted = template(samples, path, target, name, overrides)
    settings = replace(settings, results=folder)
    for line in described(path, samples):
        reporter.say(line)
    asked = {"target": target, "minutes": minutes, "overrides": list(overrides)}
    plan = planned_trial(wanted, samples, asked, settings)
    return _Trial(plan, wanted, samples, settings, reporter).verdict()


def described(path: Path, samples: Samples) -> list[str]:
    """Return what was found, in sentences: samples, classes, balance, and what is suspicious."""
    kind = "samples of a table"
    if samples.is_table:
        of = f"{samples.shape[0]} features"
    else:
        channels, height, width = samples.shape
        kind = "images"
        of = f"{height} x {width} pixels, {'grey' if channels == 1 else f'{channels} channels'}"
    numbers = f"{len(samples):,}"
    if samples.test is not None:
        numbers = f"{numbers} training and {len(samples.test):,} test"
    counts = torch.bincount(samples.labels, minlength=len(samples.classes)).tolist()
    most, least = max(counts), min(counts)
    balance = f"{most} of each"
    if most != least:
        rare, common = samples.classes[counts.index(least)], samples.classes[counts.index(most)]
        balance = f"from {least} of {rare} to {most} of {common}"
    lines = [f"{path}: {numbers} {kind}, {of}; {len(counts)} classes, {balance}."]
    return lines + [f"! {line}" for line in findings(samples)]


class _Trial:
    def __init__(
        self, plan: TrialPlan, wanted: Config, samples: Samples, settings: Settings, reporter: Reporter
    ) -> None:
        self._plan, self._settings, self._reporter = plan, settings, reporter
        # Where the data lies now; later runs of the config compare what it is, as was done here.
        here = {"path": wanted.data.path, "sha256": samples.sha256}
        config = plan.config | {"data": plan.config["data"] | here}
        self._config = from_data(config)
        self._held_out = samples.test is None
        self._notes: list[str] = []

    def verdict(self) -> Verdict:
        """Do what is missing, and say what came out."""
        self._announce()
        summary = Summary([], [])
        entries = {entry.name: entry.model_dump(mode="json") for entry in self._config.optimizers}
        plain = {name: each for name, each in entries.items() if each["kind"] != "dba"}
        selecting = {name: each for name, each in entries.items() if name not in plain}
        tuned: dict[str, Any] = {}
        best = ""
        for stage, some in enumerate((plain, selecting), start=1):
            if stage == 2:  # the selection feeds the optimizer that did best without it
                base = {key: each for key, each in plain[best].items() if key not in _OF_ENTRIES}
                some = {
                    name: each if self._sets_base(name) else each | {"base": base}
                    for name, each in some.items()
                }
            candidates: _Candidates = {name: {} for name in some}
            for words in ("learning rates", "further learning rates, by what was best"):
                self._try_more(stage, some, candidates)
                later = self._seconds_after(stage, candidates, selecting)
                self._reporter.stage(f"{stage} of 3: {words} of {' and '.join(map(called, some))}.", later)
                config = self._tuning(stage, candidates)
                done = run_experiments([config], self._settings, self._reporter)
                summary = Summary(summary.records + done.records, summary.failures + done.failures)
                if done.failures:
                    return Verdict(summary)
            chosen = self._chosen(stage, candidates)
            tuned |= {name: entry for name, (_, entry) in chosen.items()}
            best = best or min(chosen, key=lambda name: chosen[name][0])
        final = self._final([tuned[name] for name in entries], best)
        file = self._settings.results / "config.yaml"
        write_atomically(file, to_yaml(final))
        self._reporter.stage("3 of 3: the comparison.", 0)
        done = run_experiments([final], self._settings, self._reporter)
        summary = Summary(summary.records + done.records, summary.failures + done.failures)
        return Verdict(summary) if done.failures else self._said(summary, final, best, file)

    def _announce(self) -> None:
        config, plan = self._config, self._plan
        parts = "the given test part"
        if config.data.holdout is not None:
            parts = f"hold-outs of {100 * config.data.holdout:g} % of each class, another for each seed"
        steps = config.training.steps
        length = f"{steps} steps" if steps else f"{config.training.epochs} epochs"
        self._reporter.say(
            f"Network: {config.model.kind}. Tested on {parts}. Plan: {plan.rates} learning rates of each"
            f" optimizer on training samples kept out, {plan.tuning} seed{'s' * (plan.tuning > 1)} each, then"
            f" {len(config.seeds)} seeds; {length} of {config.training.batch_size} samples;"
            f" about {seconds_text(plan.seconds)}, once: what is done is kept."
        )
        if plan.seconds > 60 * plan.asked["minutes"]:
            self._reporter.notice(
                f"the least that answers anything takes about {seconds_text(plan.seconds)} here, more than"
                f" --minutes {plan.asked['minutes']:g}"
            )

    def _seconds_after(self, stage: int, candidates: _Candidates, selecting: Mapping[str, Any]) -> float:
        """Return what comes after the candidates' runs: of the plan's time, by the steps' cost."""
        plan, seeds = self._plan, len(self._config.seeds)
        step = plan.step_seconds
        left = seeds * sum(step.values())
        if stage == 1:
            left += plan.rates * plan.tuning * sum(step[name] for name in selecting)
        left += sum((plan.rates - len(of)) * plan.tuning * step[name] for name, of in candidates.items())
        return plan.seconds * left / ((plan.rates * plan.tuning + seeds) * sum(step.values()))

    def _sets_base(self, name: str) -> bool:
        """Return whether an override says which optimizer an entry's selection feeds."""
        keys = [text.partition("=")[0].strip() for text in self._plan.asked["overrides"]]
        return any(key == "optimizers" or f"{key}.".startswith(f"optimizers.{name}.base.") for key in keys)

    def _try_more(self, stage: int, entries: Mapping[str, Any], candidates: _Candidates) -> None:
        """Add the learning rates to begin with; where those are done, the ones that go on from them."""
        for name, entry in entries.items():
            of = candidates[name]
            if not of:
                more = first_rates(entry.get("base", entry)["lr"], self._plan.rates)
            else:
                figures = self._figures(stage, name, of)
                best = min(figures, key=lambda rate: figures[rate], default=min(of))  # all diverged: smaller
                more = further_rates(list(of), best, self._plan.rates - len(of))
            of.update((rate, _at(entry, rate)) for rate in more)

    def _tuning(self, stage: int, candidates: _Candidates) -> Config:
        """Return the config that tries the candidates."""
        config = self._config.model_dump(mode="json", exclude={"sweep"})
        words = " and ".join(map(called, candidates))
        config["experiment"] |= {
            "name": self._tuned_as(stage),
            "description": f"Learning rates of {words}, on training samples kept out of training and tests.",
        }
        config["data"]["evaluate_on"] = "validation"
        if (steps := config["training"]["steps"]) is not None:
            config["training"]["evaluation"]["steps"] = steps
        config["seeds"] = config["seeds"][: self._plan.tuning]
        config["optimizers"] = [
            entry | {"name": _named(name, rate)}
            for name, of in candidates.items()
            for rate, entry in of.items()
        ]
        return from_data(config)

    def _tuned_as(self, stage: int) -> str:
        return f"{self._config.experiment.name}_rates_{stage}"

    def _figures(self, stage: int, name: str, of: Mapping[float, Any]) -> dict[float, tuple[float, float]]:
        """Return errors, then loss, over the seeds, of each rate at which no run diverged."""
        folder = ExperimentFolder(self._settings.results / self._tuned_as(stage))
        seeds = self._config.seeds[: self._plan.tuning]
        figures: dict[float, tuple[float, float]] = {}
        for rate in of:
            records = [folder.run(_named(name, rate), seed).read() for seed in seeds]
            finals = [record.final for record in records if record is not None and record.final is not None]
            if len(finals) == len(seeds):
                errors = sum(final.test_errors or 0 for final in finals)
                figures[rate] = (errors, sum(final.test_loss for final in finals))
        return figures

    def _chosen(self, stage: int, candidates: _Candidates) -> dict[str, tuple[tuple[float, float], Any]]:
        """Return for each optimizer the figures of its best rate (errors, then loss), and its entry at it."""
        chosen = {}
        for name, of in candidates.items():
            figures = self._figures(stage, name, of)
            if not figures:
                key = f"optimizers.{name}.{'base.' * ('base' in next(iter(of.values())))}lr"
                raise UserError(
                    f"{self._tuned_as(stage)}: {name} diverged at every learning rate"
                    f" ({', '.join(f'{rate:g}' for rate in sorted(of))}): give smaller ones, such as"
                    f" --set {key}={min(of) / 100:g}, and another --name"
                )
            rate = min(figures, key=lambda each: figures[each])
            if len(of) > 1 and rate in (min(of), max(of)):
                end = "smallest" if rate == min(of) else "largest"
                self._notes.append(f"The best learning rate of {called(name)}, {rate:g}, is the {end} tried.")
            chosen[name] = (figures[rate], of[rate])
        return chosen

    def _final(self, entries: Sequence[Any], best: str) -> Config:
        config = self._config.model_dump(mode="json", exclude={"sweep"})
        config["experiment"]["description"] = (
            f"Whether DBA helps on {config['experiment']['name']}. Learning rates are tuned on training"
            f" samples kept out, {self._plan.rates} for each optimizer; there {called(best)} was the best"
            " that does not select, and DBA and its control of random subsets feed it."
        )
        return from_data(config | {"optimizers": list(entries)})

    def _said(self, summary: Summary, final: Config, best: str, file: Path) -> Verdict:
        folder, name = self._settings.results, final.experiment.name
        comparison = compare(folder, [name])
        rows = {row.optimizer: row for row in comparison.sections[0].rows if row.current}
        selecting = [entry.name for entry in final.optimizers if entry.selects]
        first = sentence(rows, selecting[0], best, resampled=self._held_out, best=True)
        notes = [
            sentence(rows, selecting[0], other, resampled=self._held_out, best=False)
            for other in selecting[1:]
        ] + self._notes
        ours, theirs = (
            sum(run.durations.training for run in rows[name].counted) for name in (selecting[0], best)
        )
        if theirs:
            words = f"{ours / theirs:.1f} times as long with {called(selecting[0])} as with {called(best)}"
            notes.append(f"Training took {words}.")
        if not self._held_out:
            notes.append("The intervals speak of seeds on the given test part, not of other test parts.")
        report = folder / "report.html"
        command = shlex.join(["dba", "report", name, "--results", str(folder), "--output", str(report)])
        page, _ = report_page(folder, [name], self._settings.data_dir, command, [first, *notes])
        write_atomically(report, page)
        return Verdict(summary, comparison, first, tuple(notes), report, file)


def _named(name: str, rate: float) -> str:
    return f"{name}_lr{rate:g}"


def _at(entry: dict[str, Any], rate: float) -> dict[str, Any]:
    """Return an entry with another learning rate."""
    if "base" in entry:
        return entry | {"base": entry["base"] | {"lr": rate}}
    return entry | {"lr": rate}
