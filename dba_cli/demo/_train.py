"""What the demo trains, side by side: all optimizers of a seed, one evaluation period at a time."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from dba_cli.config import Config
from dba_cli.errors import UserError
from dba_cli.experiments import OneRun, PlannedRun, Prepared, Reporter, Settings, prepare
from dba_cli.records import locked

STEPS = 600
_WRONG = 0.4  # share of the labels
_DESCRIPTION = "What `dba demo` trains: one hidden layer on 600 embedded images, 40 % of them labelled wrong."
_SGD = {"kind": "sgd", "lr": 0.1, "momentum": 0.9}
# The recipe of docs/method.md for wrong labels; nobody tells it how many are wrong.
_DBA = {
    "kind": "dba",
    "base": _SGD,
    "rule": "two_groups",
    "remember": "distance",
    "warmup_steps": 30,
    "min_fraction": 0.0,
    "tilt": -0.5,
}
_ADAM = {"kind": "adam", "lr": 0.001}


def demo_config(steps: int = STEPS) -> Config:
    """Return the demo's config; with another number of steps it is another experiment, of another name."""
    return Config.model_validate(
        {
            "experiment": {
                "name": "demo" if steps == STEPS else f"demo_{steps}_steps",
                "description": _DESCRIPTION,
            },
            "data": {
                "dataset": "mnist",
                "source": "embedded",
                "draw": {"per_class": 60},
                "noise": {"kind": "symmetric", "rate": _WRONG},
            },
            "model": {"kind": "mlp", "hidden": [100]},
            "training": {
                "steps": steps,
                "batch_size": 200,
                "evaluation": {"steps": max(1, steps // 40)},
                "trace": True,
            },
            "optimizers": [{"name": "sgd", **_SGD}, {"name": "adam", **_ADAM}, {"name": "dba", **_DBA}],
            "seeds": [0, 1, 2],
        }
    )


def train_side_by_side(config: Config, results: Path, reporter: Reporter) -> None:
    """Do the runs of ``config`` anew, all optimizers of a seed at once, and record them in ``results``.

    Raises:
        UserError: The folder cannot be written, holds finished runs of another config, or is in use.
        KeyboardInterrupt: Ctrl-C.
    """
    settings = Settings(results.parent, results, torch.device("cpu"))
    prepare([config], settings, reporter)  # Only what an earlier demo left may be replaced.
    prepared = prepare([config], replace(settings, overwrite=True), reporter)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small wait for each other's threads longer than they compute
    try:
        for seed in config.seeds:
            _train([run for run in prepared.runs if run.seed == seed], prepared, reporter)
    finally:
        torch.set_num_threads(threads)


def _train(runs: list[PlannedRun], prepared: Prepared, reporter: Reporter) -> None:
    """Train ``runs`` in turns."""
    images, session = prepared.images, prepared.session
    with ExitStack() as held:
        under_way = []
        for run in runs:
            if not held.enter_context(locked(run.folder.path)):
                raise UserError(f"{run.folder.path}: another process trains here; wait until it is over")
            observer = reporter.started(run)
            one_run = OneRun(run, images, session.provenance, session.settings.device, observer)
            under_way.append((run, one_run))
        steps = 0  # the first turn is the evaluation before training
        while under_way:
            for run, one_run in list(under_way):
                record = one_run.advance(steps)
                if record is not None:
                    under_way.remove((run, one_run))
                    reporter.finished(run, record)
            steps = runs[0].timeline.evaluation_period
