"""The search: rounds of points that Optuna proposes, run like those of a sweep, and the tuned config."""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dba_cli.config import Config, Range, Sweep, SweepPoint, to_yaml, with_values
from dba_cli.errors import UserError
from dba_cli.experiments import Reporter, Settings, Summary, run_sweep, sweep_folder
from dba_cli.records import ExperimentFolder, Part, locked, read_model, write_atomically
from dba_cli.tuning._space import Space, at_the_end, distributions, meant, spaces

ROUND = 4
"""Points of each optimizer that are proposed at a time, whatever the number of jobs: the same search."""
_SEEDS = 2


class TuningPlan(Part):
    """``tune.json``: what a search in this folder is of; more points than before go on with it."""

    format: Literal[1] = 1
    experiment: str
    seed: int
    seeds: list[int]
    space: dict[str, dict[str, Any]]
    config: dict[str, Any]


@dataclass(frozen=True)
class Tuned:
    """What was found. Where runs failed, ``summary`` says which, and there is nothing else."""

    summary: Summary
    folder: Path
    """Of the points, each an experiment; ``study.log`` there is Optuna's journal of them."""
    config: Path | None = None
    """The config with the best values."""
    chosen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By optimizer: dotted key to value."""
    notes: tuple[str, ...] = ()


def tune_config(
    config: Config,
    space: Mapping[str, list[Any] | Range],
    *,
    trials: int,
    seed: int,
    name: str,
    settings: Settings,
    reporter: Reporter,
) -> Tuned:
    """Search ``trials`` points of each optimizer, judged by errors on the validation split.

    The split is a part of the training set that is in no draw. Every optimizer has as many points, runs and
    steps. The same call goes on where it was stopped; with more trials it goes on after the last.

    Args:
        config: what is tuned; its optimizers and seeds narrowed by ``settings``, else its first two seeds.
        space: what a key of an optimizer may be; see `dba_cli.tuning._space.spaces`.
        trials: points of each optimizer.
        seed: of the search.
        name: of the folder in ``settings.results``.
        settings: who works, and where.
        reporter: is told what happens.

    Raises:
        UserError: No Optuna, bad keys or values, or a search of something else in the folder.
    """
    _require_optuna()
    for each in settings.optimizers:
        if each not in [entry.name for entry in config.optimizers]:
            raise UserError(f"--optimizer {each}: not in experiment {config.experiment.name!r}")
    entries = [entry for entry in config.optimizers if entry.name in (settings.optimizers or [entry.name])]
    config = config.model_copy(update={"optimizers": entries, "sweep": None})
    search = _Search(
        config,
        spaces(config, space),
        seed,
        list(settings.seeds or config.seeds[:_SEEDS]),
        replace(settings, results=sweep_folder(settings.results, name), optimizers=(), seeds=()),
        reporter,
    )
    return search.done(trials)


def _require_optuna() -> None:
    try:
        import optuna
    except ImportError:
        raise UserError("dba tune: Optuna is not installed; pip install 'dba-cli[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass
class _Trial:
    """A point of one optimizer: what Optuna drew, what that means, and its errors and loss once it is run."""

    number: int
    drawn: dict[str, Any]
    values: dict[str, Any]
    figures: tuple[float, float] = (1.0, float("inf"))


class _Search:
    def __init__(
        self,
        config: Config,
        spaces: dict[str, Space],
        seed: int,
        seeds: list[int],
        settings: Settings,
        reporter: Reporter,
    ) -> None:
        self._config, self._spaces, self._seed, self._seeds = config, spaces, seed, seeds
        self._settings, self._reporter = settings, reporter
        self._trials: dict[str, list[_Trial]] = {name: [] for name in spaces}

    def done(self, trials: int) -> Tuned:
        folder = self._settings.results
        points: list[SweepPoint] = []
        summary = Summary([], [])
        for first in range(0, trials, ROUND):
            number = min(ROUND, trials - first)
            fresh = {name: self._proposed(name, first, number) for name in self._spaces}
            if not first:
                self._tried(next(iter(fresh.items())))
                self._keep_plan(folder)
            points += [self._point(name, trial) for name, some in fresh.items() for trial in some]
            self._reporter.stage(f"Points {first + 1} to {first + number} of {trials}, each optimizer.", 0)
            done = run_sweep(
                Sweep(self._config.experiment.name, points), folder, self._settings, self._reporter
            )
            summary = Summary(summary.records + done.records, done.failures)
            if done.failures:
                return Tuned(summary, folder)
            for name, some in fresh.items():
                for trial in some:
                    trial.figures = self._figures(name, trial)
                self._trials[name] += some
            write_atomically(folder / "study.log", self._journal())
        return self._chosen(summary, folder)

    def _tried(self, one: tuple[str, list[_Trial]]) -> None:
        """Refuse values that the config cannot have before anything is written."""
        self._point(one[0], one[1][0])

    def _keep_plan(self, folder: Path) -> None:
        file = folder / "tune.json"
        plan = TuningPlan(
            experiment=self._config.experiment.name,
            seed=self._seed,
            seeds=self._seeds,
            space={
                name: {key: _plain(of) for key, of in space.items()} for name, space in self._spaces.items()
            },
            config=self._config.model_dump(mode="json", exclude={"experiment", "seeds", "sweep"}),
        )
        with locked(folder, wait=True):
            before = read_model(file, TuningPlan)
            if before is None or self._settings.overwrite:
                write_atomically(file, plan.model_dump_json(indent=2) + "\n")
                return
        changed = [key for key in TuningPlan.model_fields if getattr(before, key) != getattr(plan, key)]
        if changed:
            raise UserError(
                f"{folder}: holds a search with another {changed[0]}; give another --name, or --overwrite"
            )

    def _proposed(self, name: str, first: int, number: int) -> list[_Trial]:
        """Return the next points; what was found so far decides them, and nothing else."""
        space = self._spaces[name]
        study = self._study(name, first)
        found = []
        for i in range(number):
            drawn = study.ask(distributions(space)).params
            found.append(_Trial(first + i, drawn, meant(space, drawn)))
        if not first:  # the config as it is comes first, where the ranges hold it
            found[0] = self._as_it_is(name) or found[0]
        return found

    def _as_it_is(self, name: str) -> _Trial | None:
        values = {}
        for key, choices in self._spaces[name].items():
            node: Any = next(e for e in self._config.optimizers if e.name == name).model_dump(mode="json")
            for part in key.split(".")[2:]:
                node = node.get(part) if isinstance(node, dict) else None
            inside = isinstance(node, int | float) and isinstance(choices, Range)
            if not inside and not (isinstance(choices, list) and node in choices):
                return None
            if isinstance(choices, Range) and not choices.low <= node <= choices.high:
                return None
            values[key] = node
        drawn = {
            key: choices.index(values[key]) if isinstance(choices, list) else values[key]
            for key, choices in self._spaces[name].items()
        }
        return _Trial(0, drawn, values)

    def _study(self, name: str, first: int, storage: Any = None) -> Any:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Optuna about what it calls experimental
            sampler = optuna.samplers.TPESampler(
                seed=self._seed + 7919 * first, n_startup_trials=2 * ROUND, constant_liar=True
            )
            study = optuna.create_study(
                study_name=name, sampler=sampler, storage=storage, direction="minimize"
            )
        for trial in self._trials[name]:
            study.add_trial(
                optuna.trial.create_trial(
                    params=trial.drawn,
                    distributions=distributions(self._spaces[name]),
                    value=trial.figures[0],
                )
            )
        return study

    def _journal(self) -> bytes:
        """Return Optuna's journal of all studies, which its dashboard reads."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        with tempfile.TemporaryDirectory() as room:
            file = Path(room) / "study.log"
            storage = JournalStorage(JournalFileBackend(str(file)))
            for name in self._spaces:
                self._study(name, 0, storage)
            return file.read_bytes()

    def _point(self, name: str, trial: _Trial) -> SweepPoint:
        config = with_values(self._config, trial.values, f"--space ({name})")
        data, training = config.data, config.training
        if data.evaluate_on == "test":
            data = data.model_copy(update={"evaluate_on": "validation"})
        if (
            training.early_stopping is None
        ):  # one evaluation, at the end: curves of points are looked at by none
            once = {"epochs": training.epochs, "steps": training.steps}
            evaluation = training.evaluation.model_copy(update=once)
            training = training.model_copy(update={"evaluation": evaluation})
        point = f"{name}-{trial.number:03d}"
        said = ", ".join(f"{key}={value}" for key, value in trial.values.items())
        experiment = config.experiment.model_copy(
            update={
                "name": point,
                "description": f"{config.experiment.description} [{said}]"[-2000:],
                "paper": None,
            }
        )
        entries = [entry for entry in config.optimizers if entry.name == name]
        changes = {"experiment": experiment, "data": data, "training": training, "optimizers": entries}
        return SweepPoint(point, trial.values, config.model_copy(update=changes | {"seeds": self._seeds}))

    def _figures(self, name: str, trial: _Trial) -> tuple[float, float]:
        """Return the mean error rate and loss over the seeds; all wrong where one diverged."""
        folder = ExperimentFolder(self._settings.results / f"{name}-{trial.number:03d}")
        records = [folder.run(name, seed).read() for seed in self._seeds]
        finals = [
            (each.final, each.data.n_test) for each in records if each is not None and each.final is not None
        ]
        if len(finals) < len(self._seeds):
            return 1.0, float("inf")
        errors = sum((final.test_errors or 0) / n for final, n in finals) / len(finals)
        return errors, sum(final.test_loss for final, _ in finals) / len(finals)

    def _chosen(self, summary: Summary, folder: Path) -> Tuned:
        chosen, notes = dict[str, dict[str, Any]](), []
        for name, trials in self._trials.items():
            best = min(trials, key=lambda trial: trial.figures)
            if best.figures[1] == float("inf"):
                raise UserError(f"{folder}: {name} diverged at every point; give smaller values by --space")
            chosen[name] = best.values
            notes += [
                f"{key}={best.values[key]:g} is at an end of what was searched; a better one may lie beyond."
                for key in at_the_end(self._spaces[name], best.values)
            ]
        values = {key: value for of in chosen.values() for key, value in of.items()}
        tuned = with_values(self._config, values, "tuned")
        number, seeds = len(next(iter(self._trials.values()))), len(self._seeds)
        experiment = tuned.experiment.model_copy(
            update={
                "name": f"{tuned.experiment.name}_tuned"[:100],
                "description": f"{tuned.experiment.description} Tuned: {number} points of each optimizer with"
                f" {seeds} {'seed' if seeds == 1 else 'seeds'}, judged on the validation split."[-2000:],
            }
        )
        file = folder / "tuned.yaml"
        write_atomically(file, to_yaml(tuned.model_copy(update={"experiment": experiment})))
        return Tuned(summary, folder, file, chosen, tuple(notes))


def _plain(values: Sequence[Any] | Range) -> Any:
    return vars(values) if isinstance(values, Range) else list(values)
