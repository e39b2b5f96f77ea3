"""One seed, several independent random streams.

The draw, the initial weights and the order of batches each have a stream of their own, so that what
one of them consumes never shifts another: with one seed every optimizer starts equal.
"""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What a random stream is for. Values are part of every recorded result: append, never renumber."""

    DRAW = 0
    WEIGHTS = 1
    ORDER = 2
    SELECTION = 3
    DEFORMATION = 4
    VALIDATION = 5
    TEST_COPIES = 6
    HOLDOUT = 7
    NOISE = 8
    IMBALANCE = 9
    LOSS = 10
    VALIDATION_NOISE = 11
    STOPPING = 12
    TRUSTED = 13
    INPUT_NOISE = 14


def generator(seed: int, stream: Stream) -> torch.Generator:
    """Return the CPU generator of ``stream`` for a run's ``seed``."""
    state = np.random.SeedSequence(seed, spawn_key=(int(stream),)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)
