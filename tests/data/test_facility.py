"""Facility location, against brute force over every subset and a greedy loop one image at a time."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dba_cli.data import ImageData, as_floats, facility_location
from dba_cli.data._facility import _features, _greedy


def image_data(n: int, classes: int = 2, seed: int = 0) -> ImageData:
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    for image in images:  # a bar of its own place, height and thickness
        top, left, height, width = (int(torch.randint(low, high, (), generator=generator)) for low, high in
                                    ((2, 10), (4, 20), (8, 16), (2, 5)))  # fmt: skip
        image[0, top : top + height, left : left + width] = 255
    labels = torch.arange(n) % classes
    parts = images, labels, images[:classes], labels[:classes]
    return ImageData("mnist", "embedded", *parts, num_classes=classes, official_size=n, title="MNIST")


def cost(distances: np.ndarray, chosen: list[int]) -> float:
    return float(distances[:, chosen].min(1).sum())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 9), size=st.integers(1, 4))
def test_every_choice_is_the_one_that_lowers_the_sum_most(seed: int, n: int, size: int) -> None:
    size = min(size, n)
    points = np.random.default_rng(seed).normal(size=(n, 3))
    distances = ((points[:, None] - points) ** 2).sum(-1)
    chosen: list[int] = _greedy(torch.tensor(distances), size).tolist()
    assert len(set(chosen)) == size
    for k in range(1, size + 1):
        before, best = chosen[: k - 1], min(cost(distances, [*chosen[: k - 1], j]) for j in range(n))
        assert cost(distances, [*before, chosen[k - 1]]) == pytest.approx(best)
    exact = min(cost(distances, list(subset)) for subset in combinations(range(n), size))
    worst = float(distances.max(1).sum())
    assert worst - cost(distances, chosen) >= (1 - 1 / np.e) * (worst - exact) - 1e-9


def test_each_class_is_covered_by_its_own_images() -> None:
    data = image_data(24)
    chosen = facility_location(data, tuple(range(24)), (3, 2))
    assert data.train_labels[chosen].bincount().tolist() == [3, 2]
    assert chosen.tolist() == sorted(chosen.tolist())
    for label, size in ((0, 3), (1, 2)):
        members = (data.train_labels == label).nonzero().flatten()
        features = _features(as_floats(data.train_images[members])).double().numpy()
        distances = ((features[:, None] - features) ** 2).sum(-1)
        mine = [members.tolist().index(i) for i in chosen.tolist() if data.train_labels[i] == label]
        first = int(distances.sum(0).argmin())
        assert first in mine
        assert cost(distances, mine) <= cost(distances, [first])
        assert len(mine) == size


def test_only_the_pool_is_chosen_from() -> None:
    data, pool = image_data(24), tuple(range(4, 20))
    assert set(facility_location(data, pool, (2, 2)).tolist()) <= set(pool)


def test_equal_images_are_not_chosen_twice() -> None:
    data = image_data(6, classes=1)
    data.train_images[:] = data.train_images[0]
    assert facility_location(data, tuple(range(6)), (6,)).tolist() == [0, 1, 2, 3, 4, 5]
