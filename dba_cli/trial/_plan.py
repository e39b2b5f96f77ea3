"""The plan of a trial: made by the time that steps take here, and written before anything is compared."""

from dataclasses import replace
from typing import Any, Literal

import torch

from dba_cli.config import Config, from_data
from dba_cli.data import Samples
from dba_cli.errors import UserError
from dba_cli.experiments import Images, Settings, planned
from dba_cli.inspection import timed_steps
from dba_cli.records import Part, locked, read_model, write_atomically
from dba_cli.trial._budget import Amount, affordable

_CURVE = 5  # evaluations of a compared run, for its curve; they decide nothing


class TrialPlan(Part):
    """``plan.json``: what was decided before anything was compared, so that the trial can be done again."""

    format: Literal[1] = 1
    sha256: str
    """Of the data."""
    asked: dict[str, Any]
    """The options that decide what is done."""
    step_seconds: dict[str, float]
    """Of each optimizer, measured."""
    rates: int
    """Learning rates of each optimizer."""
    tuning: int
    """Seeds of each rate."""
    seconds: float
    """What all was expected to take."""
    config: dict[str, Any]
    """Of the comparison; its learning rates are the middle of those tried."""


def planned_trial(wanted: Config, samples: Samples, asked: dict[str, Any], settings: Settings) -> TrialPlan:
    """Return the plan that lies in the folder of ``settings``, or make one and write it there.

    Args:
        wanted: the config of the comparison, with the steps and seeds that are worth their time.
        samples: the data.
        asked: ``minutes``, ``overrides`` and whatever else a trial under this name must agree in.
        settings: who works, and where.

    Raises:
        UserError: The config cannot be run with the data, or a plan for other data or options is there.
    """
    folder = settings.results
    file = folder / "plan.json"
    plan = None if settings.overwrite else read_model(file, TrialPlan)
    if plan is None:
        made = _made(wanted, samples, asked, settings)
        with locked(folder, wait=True):
            plan = None if settings.overwrite else read_model(file, TrialPlan)  # by another process meanwhile
            if plan is None:
                plan = made
                write_atomically(file, plan.model_dump_json(indent=2) + "\n")
    changed = [key for key, value in asked.items() if plan.asked.get(key) != value]
    if plan.sha256 != samples.sha256 or changed:
        what = "other data" if plan.sha256 != samples.sha256 else f"another {changed[0]}"
        raise UserError(
            f"{folder}: holds a trial of {what}; give another --name, or --overwrite to replace it"
        )
    return plan


def _made(wanted: Config, samples: Samples, asked: dict[str, Any], settings: Settings) -> TrialPlan:
    jobs, threads, images = settings.jobs or 1, torch.get_num_threads(), Images(settings.data_dir)
    # What the tuning could not do with its fewer samples is refused before anything is written.
    data = wanted.data.model_copy(update={"evaluate_on": "validation"})
    planned(wanted.model_copy(update={"data": data}), images, replace(settings, overwrite=True))
    torch.set_num_threads(settings.fixed_threads or threads)
    try:
        names = [entry.name for entry in wanted.optimizers]
        timed = {name: timed_steps(wanted, name, images, settings.device) for name in names}
    finally:
        torch.set_num_threads(threads)
    step = {name: each.step for name, each in timed.items()}
    keys = [text.partition("=")[0].strip() for text in asked["overrides"]]
    amount = affordable(
        step,
        max(each.evaluation for each in timed.values()),
        next(iter(timed.values())).steps,
        60 * asked["minutes"],
        jobs,
        steps_fixed=any(key in ("training", "training.steps", "training.epochs") for key in keys),
        seeds=len(wanted.seeds) if "seeds" in keys else None,
    )
    return TrialPlan(
        sha256=samples.sha256,
        asked=asked,
        step_seconds=step,
        rates=amount.rates,
        tuning=amount.tuning,
        seconds=amount.seconds,
        config=_fitted(wanted, amount).model_dump(mode="json", exclude={"sweep"}),
    )


def _fitted(wanted: Config, amount: Amount) -> Config:
    config = wanted.model_dump(mode="json", exclude={"sweep"})
    training = config["training"]
    if training["steps"] is not None:
        training["steps"] = amount.steps
        training["evaluation"] |= {"steps": max(1, amount.steps // _CURVE), "epochs": None}
    return from_data(config | {"seeds": wanted.seeds[: amount.seeds]})
