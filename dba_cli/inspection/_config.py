"""What ``dba run`` would do with a config: the network, the runs, which of them are done.

And how long it takes: a time is from recorded runs, else from a few steps that are timed here.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from dba_cli.comparison import ranges
from dba_cli.errors import UserError
from dba_cli.inspection._wording import heading, seconds_text, table
from dba_cli.records import RunRecord

if TYPE_CHECKING:  # torch comes with it, which looking at a record does without
    import torch

    from dba_cli.config import Config
    from dba_cli.experiments import Images

_DONE, _DISOWNED = "done", "of another config"
# The first step of DBA checks itself, and all first steps allocate: neither is timed.
_WARM_UP = 2
_TIMED_STEPS = 10
_MAX_SECONDS = 3.0


@dataclass(frozen=True)
class RunState:
    """A run of the plan: ``to do``, ``done``, or with the record of a run ``of another config``."""

    optimizer: str
    seed: int
    record: RunRecord | None
    state: str


@dataclass(frozen=True)
class ConfigView:
    """A config as it was ``written``, and as it can be run now: ``config`` names the data source found."""

    written: "Config"
    config: "Config"
    runs: list[RunState]


def view_config(config: "Config", data_dir: Path, results: Path, notify: Callable[[str], None]) -> ConfigView:
    """Return what ``config`` stands for; nothing is downloaded, trained or written.

    Raises:
        UserError: A record in ``results`` is damaged, or the data folder cannot be read.
    """
    import torch

    from dba_cli.experiments import Settings, narrowed_runs

    settings = Settings(data_dir, results, torch.device("cpu"))
    found = _found_source(config, data_dir, notify)
    runs = []
    # Runs of another config are shown here, where 'dba run' would refuse.
    for run, hashed, folder in narrowed_runs(found, found.data.source, settings):
        record = folder.read()
        state = "to do" if record is None else _DONE if record.config_hash == hashed else _DISOWNED
        runs.append(RunState(run.optimizers[0].name, run.seeds[0], record, state))
    return ConfigView(config, found, runs)


def config_table(view: ConfigView, name: str, data_dir: Path) -> RenderableType:
    """Return the resolved config, the network and the plan of runs.

    Raises:
        UserError: The network cannot be built for the images.
    """
    from dba_cli.config import to_yaml
    from dba_cli.data import sample_shape_and_classes
    from dba_cli.training import Stream, build_model, count_parameters, generator

    shape, classes = sample_shape_and_classes(view.config.data.dataset, data_dir, **view.config.data.own)
    model = build_model(view.config.model, shape, classes, generator(0, Stream.WEIGHTS))
    layers = []
    for layer, module in model.named_modules():
        if own := list(module.parameters(recurse=False)):
            shapes = ", ".join(" x ".join(map(str, parameter.shape)) for parameter in own)
            trained = sum(parameter.numel() for parameter in own if parameter.requires_grad)
            layers.append((layer, type(module).__name__, shapes, f"{trained:,}"))
    count = Counter(run.state for run in view.runs)
    states = ["to do", _DONE] + [_DISOWNED] * bool(count[_DISOWNED])
    plan = [
        [entry.name, *(_seeds(view, entry.name, state) or "-" for state in states)]
        for entry in view.config.optimizers
    ]
    parts: list[RenderableType] = [
        Text(name, style="bold"),
        Text(),
        heading("resolved config"),
        Padding(Text(to_yaml(view.written).rstrip()), (0, 0, 0, 2)),
        Text(),
        heading(f"model: {count_parameters(model):,} parameters"),
        table(["layer", "kind", "shapes", "parameters"], layers),
        Text(),
        heading(f"runs: {count['to do']} to do, {count[_DONE]} done"),
        table(["optimizer", *(f"seeds {state}" for state in states)], plan),
    ]
    if disowned := count[_DISOWNED]:
        runs = "1 finished run is" if disowned == 1 else f"{disowned} finished runs are"
        note = f"! {runs} of another config: 'dba run' refuses them without --overwrite"
        parts.append(Text(note, style="yellow"))
    return Group(*parts)


def _seeds(view: ConfigView, optimizer: str, state: str) -> str:
    return ranges([run.seed for run in view.runs if (run.optimizer, run.state) == (optimizer, state)])


def _found_source(config: "Config", data_dir: Path, notify: Callable[[str], None]) -> "Config":
    """Return the config with the source that can be had now: looking must not download."""
    from dba_cli.data import DATASETS, load, status

    source = config.data.source
    if DATASETS[config.data.dataset].files is None:  # nothing that is downloaded when it is looked at
        data = load(config.data.dataset, source, data_dir, notify, **config.data.own)
        return config.found(data.source, data.sha256)
    if source == "auto":
        absent = status(config.data.dataset, data_dir).absent
        source = "embedded" if absent and DATASETS[config.data.dataset].sample else "official"
        if source == "embedded":
            notify(
                f"no official files in {data_dir}: 'dba run' tries the download first; "
                "what follows is for the embedded sample"
            )
    return config.found(source, None)


def time_table(view: ConfigView, data_dir: Path, device: "torch.device") -> RenderableType:
    """Return how long each optimizer's runs take, what that is known from, and what is left in all.

    A time is the mean of the runs recorded on such a device, else measured.

    Raises:
        UserError: The data cannot be had, or the config cannot be run with it.
    """
    from dba_cli.experiments import Images, threads, threads_for
    from dba_cli.records import DeviceRecord
    from dba_cli.training import describe_device

    images = Images(data_dir)
    rows, left = [], 0.0
    for entry in view.config.optimizers:
        narrowed = view.config.narrowed(entry.name, view.config.seeds[0], view.config.data.source)
        number = threads_for(narrowed, images.of(narrowed.data), device)
        here = DeviceRecord(type=device.type, name=describe_device(device), threads=number)
        runs = [run for run in view.runs if run.optimizer == entry.name]
        done = [run.record for run in runs if run.record and run.state == "done"]
        recorded = [
            record.durations.total for record in done if record.device == here and record.status == "finished"
        ]
        if recorded:
            seconds, known_from = fmean(recorded), f"{len(recorded)} recorded run{'s' * (len(recorded) > 1)}"
        else:
            with threads(number):
                seconds, known_from = _measured(view.config, entry.name, images, device)
        todo = len(runs) - len(done)
        left += todo * seconds
        rows.append((entry.name, seconds_text(seconds), known_from, str(todo)))
    total = f"Left to do, one run after the other: {seconds_text(left)}" if left else "Nothing left to do"
    titles = ["optimizer", "one run", "known from", "runs to do"]
    return Group(heading("estimated time"), table(titles, rows), Text(f"  {total}."))


def _measured(
    config: "Config", optimizer: str, images: "Images", device: "torch.device"
) -> tuple[float, str]:
    """Time a few steps and extrapolate to a whole run."""
    timed = timed_steps(config, optimizer, images, device)
    # One before the first step, the last one whatever the period; deformed copies only at the end.
    evaluations = 1 + -(-timed.steps // timed.period) + config.training.evaluation.copies
    return timed.steps * timed.step + evaluations * timed.evaluation, f"{timed.number} timed steps"


@dataclass(frozen=True)
class TimedSteps:
    """What a step and an evaluation of a run take, in seconds, by ``number`` timed steps.

    The run has so many ``steps``, and an evaluation every ``period`` steps.
    """

    step: float
    evaluation: float
    number: int
    steps: int
    period: int


def timed_steps(config: "Config", optimizer: str, images: "Images", device: "torch.device") -> TimedSteps:
    """Train a few steps as ``dba run`` would, and leave nothing behind.

    Raises:
        UserError: The config cannot be run with its data, or diverges at once.
    """
    from dba_cli.experiments import Settings, Trainee, planned

    settings = Settings(Path(), Path(), device, [optimizer], config.seeds[:1], overwrite=True)
    (run,) = planned(config, images, settings).todo
    training = Trainee(run, images, device).training()
    began, timed = time.perf_counter(), list[float]()
    training.advance(0)  # the first evaluation
    while len(timed) < _WARM_UP + _TIMED_STEPS and training.step < run.timeline.steps:
        before = training.seconds
        over = training.advance(1)
        timed.append(training.seconds - before)
        if over or (len(timed) > _WARM_UP and time.perf_counter() - began > _MAX_SECONDS):
            break
    if not training.step:
        raise UserError(f"{config.experiment.name}: no step could be timed: the first one diverged")
    steps = timed[_WARM_UP:] or timed
    one = training.evaluation_seconds / len(training.history)
    return TimedSteps(median(steps), one, len(steps), run.timeline.steps, run.timeline.evaluation_period)
