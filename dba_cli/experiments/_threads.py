"""How many threads a run computes with: by the size of its network, and by what else the machine does."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from dba_cli.config import Config
from dba_cli.data import ImageData
from dba_cli.records import RunFolder
from dba_cli.training import build_model

_BACKWARD = 3
"""A step's products over those of its forward pass: backwards there are twice as many."""
SMALL_STEP = 1e9
"""Floating-point operations of a step below which threads wait for each other longer than they compute: about
20 ms of one core."""


def step_operations(config: Config, data: ImageData) -> float:
    """Return about how many floating-point operations a step of the run takes, the selection left out."""
    batch = config.optimizers[0].batch_size or config.training.batch_size
    try:
        # Without numbers, where the products are counted by their shapes.
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            model = build_model(config.model, data.image_shape, data.num_classes, torch.Generator())
            counter.flop_counts.clear()
            model.eval()(torch.zeros(1, *data.image_shape))
    except Exception:  # a user's network that looks at its weights: nothing is known of it
        return math.inf
    return float(_BACKWARD * batch * counter.get_total_flops())


def chosen_threads(operations: float, most: int, load: float) -> int:
    """Return one thread for a small step, else as many as the machine has cores that nobody uses.

    Args:
        operations: floating-point operations of a step.
        most: threads that torch would use by itself.
        load: processes that want to run, as the system counts them.
    """
    if operations < SMALL_STEP:
        return 1
    return max(1, min(most, most - round(load)))


def machine_load() -> float:
    """Return the system's load of the last minute; 0 where it keeps none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def threads_of_state(folder: RunFolder, config_hash: str, computed_on: str, most: int) -> int | None:
    """Return with how many threads a stopped run was computed, so that it can go on; None where none was."""
    there = {path.name for path in folder.checkpoints()}
    for number in range(1, most + 1):
        where = f"{computed_on.rpartition(', ')[0]}, {number} threads"
        if Path(folder.checkpoint_file(config_hash, where)).name in there:
            return number
    return None


def threads_for(config: Config, data: ImageData, device: torch.device) -> int:
    """Return how many threads a run that begins now computes with; ``config`` is narrowed to it."""
    most = torch.get_num_threads()
    if most == 1 or device.type != "cpu":
        return most
    return chosen_threads(step_operations(config, data), most, machine_load())


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Compute with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
