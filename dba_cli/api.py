"""What ``dba run``, ``dba sweep`` and ``dba compare`` do, for Python: records as pandas frames.

``dba_cli.run``, ``dba_cli.sweep`` and ``dba_cli.compare`` are the functions here, and the commands are
written over the same; so are ``dba try`` over ``dba_cli.try_data`` and ``dba audit`` over
``dba_cli.audit``. How runs are done is given by name, with
the command's defaults:

- ``optimizers``, ``seeds``: only these of the config's; names, and numbers or ranges such as ``"0-4"``.
- ``overrides``: ``{"training.epochs": 5}`` or ``["training.epochs=5"]``, checked like the file.
- ``data``, ``results``: the folders of the official data and of the records.
- ``device``: ``"auto"``, ``"cpu"`` or ``"cuda"``.
- ``jobs``, ``backend``, ``address``: how many runs at a time, by processes of this machine or a cluster's.
- ``threads``: of each run; by default by the network's size and the machine's load.
- ``overwrite``, ``retry_failed``: do finished or failed runs again. ``tensorboard``: also write its events.
- ``trackers``: also show the runs there: ``"tensorboard"``, ``"mlflow"``, ``"wandb"`` or ``"module:Class"``.
- ``reporter``: is told what happens; without one nothing is said.

Bad input raises ``UserError``, before anything is trained. A run that fails stops no other. Ctrl-C keeps
finished runs and the state of those under way; the same call goes on from there.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import cpu_count

from dba_cli import comparison
from dba_cli.config import Config, choices_of, load, load_sweep, parse_seeds
from dba_cli.errors import UserError, did_you_mean
from dba_cli.experiments import (
    Reporter,
    Settings,
    Summary,
    narrowed_runs,
    run_experiments,
    run_sweep,
    sweep_folder,
)
from dba_cli.records import BY_LAYER, RunRecord
from dba_cli.training import resolve_device

if TYPE_CHECKING:  # pandas is imported where it is used: the commands do without
    import pandas as pd

    from dba_cli.labels import Audit
    from dba_cli.trial import Verdict
    from dba_cli.tuning import Tuned

AConfig = str | Path | Config
Values = Mapping[str, object] | Sequence[str]


def run(configs: AConfig | Sequence[AConfig], **how: Any) -> "pd.DataFrame":
    """Train what is not done of the runs that the configs name; return a row for each, done before or now.

    Args:
        configs: files, names of configs that come with the package, or ``Config`` objects; one or several.
        how: by the names of the module's list; ``overrides`` are for files only.

    Returns:
        ``experiment``, ``optimizer``, ``seed``, ``status`` (finished, diverged, or failed with its
        ``error``), and the figures of the run's record: of its data, of its last evaluation (named as in
        ``history.csv``; accuracies are fractions of 1, losses in nats) and its durations in seconds.

    Raises:
        UserError: Bad input.

    Example:
        >>> table = dba_cli.run("smoke", optimizers=["sgd", "dba"])
        >>> table.groupby("optimizer")["test_accuracy"].mean()
    """
    return train(configs, **how).frame()


def sweep(config: str | Path, grid: Values = (), **how: Any) -> "pd.DataFrame":
    """Train a config at many points; return the rows of `run`, with a column for each key swept.

    Args:
        config: a file, or the name of one that comes with the package; its section ``sweep:`` may name
            points too.
        grid: ``{"optimizers.sgd.lr": [0.05, 0.1]}``, or a range to draw from: ``{"low": 0.01, "high": 1}``.
        how: by the names of the module's list; also the command's ``random``, ``sweep_seed`` and ``name``.

    Raises:
        UserError: Bad input.
    """
    return train_sweep(config, grid, **how).frame()


def tune(config: str | Path, space: Values | None = None, **how: Any) -> dict[str, dict[str, Any]]:
    """Search hyperparameters of every optimizer with Optuna; return the best values by optimizer and key.

    Every optimizer gets the same number of points, seeds and steps, judged on the validation split. The
    tuned config is ``NAME_tune/tuned.yaml`` in the results.

    Args:
        config: a file, or the name of one that comes with the package.
        space: ``{"lr": {"low": 0.001, "high": 1, "log": True}}``, or choices; by default the learning rates.
        how: by the names of the module's list; also the command's ``trials``, ``search_seed`` and ``name``.

    Returns:
        ``{"sgd": {"lr": 0.05}}``: of each optimizer the values with the fewest validation errors.

    Raises:
        UserError: Bad input, or runs failed.
    """
    tuned = tune_config(config, space, **how)
    if tuned.summary.failures:
        raise UserError(f"{tuned.folder}: runs failed; failure.json in the folder of each has the traceback")
    return {name: dict(values) for name, values in tuned.chosen.items()}


def try_data(
    data: str | Path,
    target: str | None = None,
    *,
    overrides: Values | None = None,
    reporter: Reporter | None = None,
    name: str | None = None,
    minutes: float | None = None,
    jobs: int | None = None,
    **how: Any,
) -> "Verdict":
    """Say whether DBA helps on data of one's own, as ``dba try`` does; resumed where it was stopped.

    Args:
        data: a folder with a sub-folder of images per class (with ``train`` and ``test`` or without), a
            ``.npz`` or a CSV. Nothing in it is changed.
        target: the column of a CSV that holds the classes.
        overrides: of the config that is chosen, such as ``{"model.kind": "resnet"}``.
        reporter: is told what happens.
        name: of the experiment; by default after the data.
        minutes: what the plan is fitted to.
        jobs: runs at a time; by default one for each core.
        how: ``results``, ``device``, ``overwrite`` and ``retry_failed`` of the module's list.

    Returns:
        ``frame``, the table with a row for each optimizer; ``sentence`` and ``notes``, what it says;
        ``report`` and ``config``, the files written.

    Raises:
        UserError: Bad input.

    Example:
        >>> verdict = dba_cli.try_data("photos", minutes=5)
        >>> print(verdict.sentence)
    """
    from dba_cli import trial  # with its report come the pictures, which training does without

    settings = _settings(jobs=jobs or cpu_count(only_physical_cores=False), **how)
    more = {} if minutes is None else {"minutes": minutes}
    texts = _texts(overrides)
    return trial.try_data(
        Path(data),
        target,
        settings=settings,
        reporter=reporter or Reporter(),
        name=name,
        overrides=texts,
        **more,
    )


def audit(path: str | Path, target: str | None = None, **how: Any) -> "pd.DataFrame":
    """Rank the labels of data of one's own, or of a recorded run, by how probably they are wrong.

    Args:
        path: a folder of images, a ``.npz``, a CSV, or a recorded run's folder. Nothing in it is changed.
        target: the column of a CSV that holds the classes.
        how: ``data``, ``results``, ``device``, ``overrides`` and ``reporter`` of the module's list; also the
            command's ``seed``, and ``top``, how many samples its gallery shows.

    Returns:
        ``sample``, ``label``, ``likely_label`` and ``score``, the most suspicious first; the index is the
        sample's number. Above a score of 0 the network contradicts the label; see
        `dba_cli.labels.Audit`. The same stands in ``labels.csv`` in the folder NAME_audit of the
        results, beside a gallery.

    Raises:
        UserError: Bad input.

    Example:
        >>> dba_cli.audit("photos").head(20)
    """
    return audit_labels(path, target, **how).frame


def predict(
    run: str | Path, images: str | Path | None = None, *, data: str | Path | None = None
) -> "pd.DataFrame":
    """Classify images with the network of a recorded run that has kept it.

    Args:
        run: the run's folder, or its ``weights.safetensors``.
        images: a folder of images, with a sub-folder for each class or without, or a ``.npz`` of bytes; by
            default what the run was evaluated on.
        data: the folder of the official data, for the latter.

    Returns:
        ``sample``, where it came from; ``predicted``, its class; ``probability``, which the network gives
        that class; and ``label``, where it is known.

    Raises:
        UserError: The run kept no network, or the images are not of the kind that it was trained on.

    Example:
        >>> dba_cli.run("smoke", overrides={"training.save_weights": True})
        >>> dba_cli.predict("results/smoke/dba/seed-0")
    """
    import pandas as pd

    from dba_cli.experiments._prediction import predicted

    return pd.DataFrame(predicted(Path(run), None if images is None else Path(images), _data_folder(data)))


def _data_folder(data: str | Path | None) -> Path:
    return Path(data or os.environ.get("DBA_DATA", "data"))


def compare(*experiments: str, results: str | Path = "results", strict: bool = False) -> "pd.DataFrame":
    """Return the table of recorded runs, a row for each optimizer.

    Args:
        experiments: names; none are all that lie in ``results``.
        results: the folder of the records.
        strict: refuse experiments of which runs are missing.

    Returns:
        The columns that `dba_cli.comparison.frame` explains; accuracies and errors are fractions of 1.

    Raises:
        UserError: No such records, or damaged ones.
    """
    return comparison.frame(comparison.compare(Path(results), experiments, strict=strict))


@dataclass(frozen=True)
class Done:
    """What was done, of which configs (with what a sweep sets in each), and how."""

    summary: Summary
    configs: Sequence[tuple[Config, Mapping[str, Any]]]
    settings: Settings

    def frame(self) -> "pd.DataFrame":
        """Return the rows of `run`."""
        import pandas as pd

        rows = []
        for config, values in self.configs:
            for _, _, folder in narrowed_runs(config, config.data.source, self.settings):
                if record := folder.read():
                    rows.append(_figures(record) | dict(values))
                elif failure := folder.failure():
                    named = failure.model_dump(include={"experiment", "optimizer", "seed", "error"})
                    rows.append(named | {"status": "failed"} | dict(values))
        return pd.DataFrame(rows)


def train(
    configs: AConfig | Sequence[AConfig],
    *,
    overrides: Values | None = None,
    reporter: Reporter | None = None,
    **how: Any,
) -> Done:
    """Do what `run` does, and tell what was done."""
    settings = _settings(**how)
    texts = _texts(overrides)
    given = [configs] if isinstance(configs, AConfig) else configs
    if texts and any(isinstance(config, Config) for config in given):
        raise UserError(f"--set {texts[0]}: a Config has its values; only a file's can be set")
    loaded = [config if isinstance(config, Config) else load(Path(config), texts) for config in given]
    # Compared without case: two names that differ only in case are one folder on some systems.
    names = [config.experiment.name.lower() for config in loaded]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"experiment.name {name!r} is given by two of these configs; name each once")
    summary = run_experiments(loaded, settings, reporter or Reporter())
    return Done(summary, [(config, {}) for config in loaded], settings)


def train_sweep(
    config: str | Path,
    grid: Values | None = None,
    *,
    random: int | None = None,
    sweep_seed: int | None = None,
    name: str | None = None,
    overrides: Values | None = None,
    results: str | Path = "results",
    reporter: Reporter | None = None,
    **how: Any,
) -> Done:
    """Do what `sweep` does, and tell what was done."""
    points = load_sweep(Path(config), _texts(overrides), _texts(grid, several=True), random, sweep_seed)
    folder = sweep_folder(Path(results), name or f"{points.experiment}_sweep")
    settings = _settings(results=folder, **how)
    summary = run_sweep(points, folder, settings, reporter or Reporter())
    return Done(summary, [(point.config, point.values) for point in points.points], settings)


def tune_config(
    config: str | Path,
    space: Values | None = None,
    *,
    trials: int = 12,
    search_seed: int = 0,
    name: str | None = None,
    overrides: Values | None = None,
    reporter: Reporter | None = None,
    **how: Any,
) -> "Tuned":
    """Do what `tune` does, and tell where it lies."""
    from dba_cli import tuning

    loaded = load(Path(config), _texts(overrides))
    return tuning.tune_config(
        loaded,
        dict(choices_of(text, "--space") for text in _texts(space, several=True)),
        trials=trials,
        seed=search_seed,
        name=name or f"{loaded.experiment.name}_tune",
        settings=_settings(**how),
        reporter=reporter or Reporter(),
    )


def audit_labels(
    path: str | Path,
    target: str | None = None,
    *,
    seed: int | None = None,
    top: int | None = None,
    overrides: Values | None = None,
    reporter: Reporter | None = None,
    **how: Any,
) -> "Audit":
    """Do what `audit` does, and tell where it is written."""
    from dba_cli import labels  # with its page come the pictures, which training does without

    settings = _settings(**how)
    return labels.audit_labels(
        Path(path),
        target,
        seed=seed,
        overrides=_texts(overrides),
        data_dir=settings.data_dir,
        results=settings.results,
        device=settings.device,
        reporter=reporter or Reporter(),
        **({} if top is None else {"top": top}),
    )


def _settings(
    *,
    optimizers: Sequence[str] | None = None,
    seeds: Sequence[str | int] | None = None,
    data: str | Path | None = None,
    results: str | Path = "results",
    device: str = "auto",
    trackers: Sequence[str] | None = None,
    **others: Any,
) -> Settings:
    plain = [field.name for field in fields(Settings) if field.default is not MISSING]
    known = list(dict.fromkeys([*list(signature(_settings).parameters)[:-1], *plain]))
    for name in others:
        if name not in known:
            raise UserError(f"{name}: unknown{did_you_mean(name, known)}")
    if others.get("address") is not None and others.get("backend") != "ray":
        raise UserError(f"--address {others['address']}: only a Ray cluster has one; add --backend ray")
    numbers = [number for each in _each(seeds) for number in parse_seeds(str(each), "--seed")]
    return Settings(
        data_dir=_data_folder(data),
        results=Path(results),
        device=resolve_device(device),
        optimizers=_each(optimizers),
        seeds=numbers,
        trackers=_each(trackers),
        **others,
    )


def _each(given: Any) -> list[Any]:
    """Return the one or the several that are given."""
    return [given] if isinstance(given, str | int) else list(given or ())


def _texts(values: Values | None, *, several: bool = False) -> list[str]:
    """Return ``KEY=VALUE`` for each, as on the command line; a list is one value, or ``several``."""
    if not isinstance(values, Mapping):
        return _each(values)
    return [
        f"{key}={json.dumps(value)[1:-1] if several and isinstance(value, list) else json.dumps(value)}"
        for key, value in values.items()
    ]


def _figures(record: RunRecord) -> dict[str, Any]:
    """Return the record without nesting: whatever figure it holds has a column."""
    row = record.model_dump(exclude={"format", "versions", "device", "seal"})
    data, final, durations = row.pop("data"), row.pop("final") or {}, row.pop("durations")
    draw = ";".join(f"{key}={value}" for key, value in data.pop("draw").items())
    final = {name: value for name, value in final.items() if name not in BY_LAYER}
    by_layer = record.final.by_layer if record.final else {}
    seconds = {f"{key}_seconds": durations.pop(key) for key in ("training", "evaluation", "total")}
    return {**row, **data, "draw": draw, **final, **by_layer, **seconds, **durations}
