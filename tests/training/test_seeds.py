import numpy as np
import pytest
import torch

from dba_cli.training import Stream, generator

MAX_SEED = 2**31 - 1


def test_the_numbers_of_the_streams_never_change() -> None:
    assert {stream.name: stream.value for stream in Stream} == {
        "DRAW": 0,
        "WEIGHTS": 1,
        "ORDER": 2,
        "SELECTION": 3,
        "DEFORMATION": 4,
        "VALIDATION": 5,
        "TEST_COPIES": 6,
        "HOLDOUT": 7,
        "NOISE": 8,
        "IMBALANCE": 9,
        "LOSS": 10,
        "VALIDATION_NOISE": 11,
        "STOPPING": 12,
        "TRUSTED": 13,
        "INPUT_NOISE": 14,
    }


@pytest.mark.parametrize("seed", [0, 1, 42, MAX_SEED])
@pytest.mark.parametrize("stream", Stream)
def test_streams_are_the_spawned_children_of_the_seed(seed: int, stream: Stream) -> None:
    child = np.random.SeedSequence(seed).spawn(len(Stream))[stream]
    (state,) = child.generate_state(1, np.uint64).tolist()
    assert generator(seed, stream).initial_seed() == state // 2


def test_a_seed_and_a_stream_give_the_same_numbers_each_time() -> None:
    first, second = generator(3, Stream.ORDER), generator(3, Stream.ORDER)
    generator(3, Stream.DRAW).seed()
    assert torch.randperm(50, generator=first).tolist() == torch.randperm(50, generator=second).tolist()


def test_no_two_streams_of_many_seeds_coincide() -> None:
    firsts = {
        torch.randint(2**62, (), generator=generator(seed, stream)).item()
        for seed in [*range(500), MAX_SEED]
        for stream in Stream
    }
    assert len(firsts) == 501 * len(Stream)


def test_the_global_random_state_is_neither_used_nor_moved() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    numbers = torch.rand(5, generator=generator(0, Stream.WEIGHTS))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(5, generator=generator(0, Stream.WEIGHTS)), numbers)
