from itertools import chain, islice

import pytest
import torch

from dba_cli.training import BatchOrder


def order(n: int, batch_size: int, seed: int = 0, *, whole: bool = False) -> BatchOrder:
    return BatchOrder(n, batch_size, torch.Generator().manual_seed(seed), whole=whole)


def taken(batches: BatchOrder, count: int) -> list[list[int]]:
    return [batch.tolist() for batch in islice(batches, count)]


@pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (7, 1), (7, 3), (6, 3), (7, 7), (7, 9)])
def test_epochs_are_shuffles_and_end_where_they_end(n: int, batch_size: int) -> None:
    steps = -(-n // batch_size)
    batches = taken(order(n, batch_size), 3 * steps)
    epochs = [batches[start : start + steps] for start in range(0, 3 * steps, steps)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [min(batch_size, n - i) for i in range(0, n, batch_size)]
        assert sorted(index for batch in epoch for index in batch) == list(range(n))
    assert n < 5 or len({str(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize(("n", "batch_size"), [(7, 3), (6, 3), (7, 7), (7, 9), (1, 4), (3, 20)])
def test_whole_batches_run_on_into_the_next_shuffle(n: int, batch_size: int) -> None:
    batches = taken(order(n, batch_size, whole=True), 4 * n)
    assert {len(batch) for batch in batches} == {batch_size}
    indices = [index for batch in batches for index in batch]
    for start in range(0, len(indices) - n + 1, n):
        assert sorted(indices[start : start + n]) == list(range(n))


def test_both_kinds_are_the_same_shuffles() -> None:
    generator = torch.Generator().manual_seed(5)
    expected = [torch.randperm(10, generator=generator).tolist() for _ in range(4)]
    for whole in (False, True):
        assert [*chain(*taken(order(10, 5, 5, whole=whole), 8))] == [*chain(*expected)]


def test_the_generator_alone_decides() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = taken(order(20, 6), 9)
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(1)
    assert taken(order(20, 6), 9) == first
    assert taken(order(20, 6, seed=1), 9) != first
