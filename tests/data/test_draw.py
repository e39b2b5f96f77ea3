import hashlib
import math
import re
import struct
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dba_cli.data import class_sizes, draw_sha256, imbalanced, listed, noisy
from dba_cli.data import draw as draw_of
from dba_cli.errors import UserError

MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]

label_lists = st.lists(st.integers(1, 60), min_size=1, max_size=10).flatmap(
    lambda counts: st.permutations([label for label, count in enumerate(counts) for _ in range(count)])
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(labels: torch.Tensor, seed: int = 0, official_size: int = 60_000, **share: Any) -> torch.Tensor:
    return draw_of(labels, class_sizes(labels, official_size=official_size, **share), seeded(seed))


def labels_of(counts: list[int]) -> torch.Tensor:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=seeded(7))]


def drawn_counts(labels: torch.Tensor, indices: torch.Tensor) -> list[int]:
    counter = Counter(labels[indices].tolist())
    return [counter[label] for label in range(int(labels.max()) + 1)]


def largest_remainders(counts: list[int], total: int) -> list[int]:
    """The textbook apportionment in exact fractions, seat by seat."""
    quotas = [Fraction(total * count, sum(counts)) for count in counts]
    sizes = [math.floor(quota) for quota in quotas]
    while sum(sizes) < total:
        left = [quota - size for quota, size in zip(quotas, sizes, strict=True)]
        sizes[left.index(max(left))] += 1
    return sizes


@pytest.mark.parametrize(
    ("counts", "sizes", "expected"),
    [
        (MNIST_COUNTS, {"fraction": 0.01}, [59, 67, 60, 61, 58, 54, 59, 63, 59, 60]),
        ([100] * 10, {"fraction": 0.01}, [60] * 10),  # of the official set, whatever the source has
        (MNIST_COUNTS, {"per_class": 10}, [10] * 10),
        (MNIST_COUNTS, {"fraction": 1.0}, MNIST_COUNTS),
        ([3, 1, 2], {"fraction": 1.0}, [3, 1, 2]),  # everything that the source has
    ],
)
def test_the_sizes_of_the_classes(counts: list[int], sizes: dict[str, Any], expected: list[int]) -> None:
    labels = labels_of(counts)
    indices = draw(labels, **sizes)
    assert indices.dtype == torch.int64
    assert drawn_counts(labels, indices) == expected


@settings(deadline=None)
@given(labels=label_lists, seed=st.integers(0, 2**32), data=st.data())
def test_fractions_are_stratified_and_without_replacement(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    total = data.draw(st.integers(1, len(labels)))
    official_size = data.draw(st.integers(len(labels) + 1, 100_000))
    tensor = torch.tensor(labels)
    indices = draw(tensor, fraction=total / official_size, official_size=official_size, seed=seed)
    assert indices.tolist() == sorted(set(indices.tolist()))
    counter = Counter(labels)
    counts = [counter[label] for label in range(max(labels) + 1)]
    assert drawn_counts(tensor, indices) == largest_remainders(counts, total)


@settings(deadline=None)
@given(labels=label_lists, seed=st.integers(0, 2**32), data=st.data())
def test_per_class_draws_nest_under_one_seed(labels: list[int], seed: int, data: st.DataObject) -> None:
    tensor = torch.tensor(labels)
    most = min(Counter(labels).values())
    small = data.draw(st.integers(1, most))
    fewer = draw(tensor, per_class=small, seed=seed)
    more = draw(tensor, per_class=most, seed=seed)
    assert set(Counter(tensor[fewer].tolist()).values()) == {small}
    assert set(fewer.tolist()) <= set(more.tolist())


def test_a_class_does_not_depend_on_the_others() -> None:
    few, many = torch.tensor([0] * 5 + [1] * 50), torch.tensor([0] * 40 + [1] * 50)
    first = draw(few, per_class=3) - 5
    second = draw(many, per_class=3) - 40
    assert first[3:].tolist() == second[3:].tolist()


def test_every_image_of_a_class_is_as_likely_as_another() -> None:
    labels = torch.tensor([0, 1] * 5)
    hits = Counter(index for seed in range(1000) for index in draw(labels, per_class=2, seed=seed).tolist())
    # Binomial(1000, 0.4): 400 with a standard deviation of 15.5, here within 5 of them.
    assert all(abs(hits[index] - 400) < 78 for index in range(10))


def test_the_generator_advances_alike_whatever_is_drawn() -> None:
    labels, first, second = labels_of([100] * 10), seeded(), seeded()
    draw_of(labels, [1] * 10, first)
    draw_of(labels, [60, 30] * 5, second)
    assert first.get_state().equal(second.get_state())


@settings(deadline=None)
@given(available=st.integers(1, 3000), excess=st.floats(0.1, 0.99))
def test_too_large_a_fraction_names_one_that_works(available: int, excess: float) -> None:
    labels = torch.zeros(available, dtype=torch.int64)
    with pytest.raises(UserError, match=f"this source has only {available}") as caught:
        draw(labels, fraction=excess)
    found = re.search(r"use ([\d.e-]+) or less, or 1\.0 for all", str(caught.value))
    assert found is not None
    indices = draw(labels, fraction=float(found[1]))
    assert available - 1 <= len(indices) <= available


@pytest.mark.parametrize(
    ("asked", "reason", "nearest"),
    [
        (
            {"per_class": 7000},
            "per_class: 7000 .* class 5 has only 5421 .* use 5421 or less",
            {"per_class": 5421},
        ),
        ({"fraction": 1e-6}, r"fraction: 1e-06 .* is none: use 0\.00002 or more", {"fraction": 0.00002}),
    ],
)
def test_what_cannot_be_drawn_names_the_nearest_that_can(
    asked: dict[str, Any], reason: str, nearest: dict[str, Any]
) -> None:
    labels = labels_of(MNIST_COUNTS)
    with pytest.raises(UserError, match=reason):
        draw(labels, **asked)
    assert len(draw(labels, **nearest)) in (1, 54_210)


def test_sha256_is_of_little_endian_int64() -> None:
    expected = hashlib.sha256(struct.pack("<3q", 1, 256, 59_999)).hexdigest()
    assert draw_sha256(torch.tensor([1, 256, 59_999])) == expected
    assert draw_sha256(torch.tensor([1, 256, 59_999], dtype=torch.int32)) == expected


def test_a_known_draw_stays_what_it_was() -> None:
    # Recorded results carry this digest: a change here makes them impossible to repeat.
    indices = draw(torch.arange(1000) % 10, per_class=2)
    assert draw_sha256(indices) == "5c41e55fba9770056cf2c33cd921a39a07cf31430f843e2a2f0986abf51ed534"


@given(st.lists(st.integers(0, 4), max_size=60), st.floats(0, 1), st.sampled_from(["symmetric", "pair"]))
def test_exactly_the_share_of_labels_is_wrong(labels: list[int], rate: float, kind: str) -> None:
    given_ = torch.tensor(labels, dtype=torch.int64)
    changed = noisy(given_, 5, kind, rate, seeded(3))
    wrong = changed != given_
    assert int(wrong.sum()) == round(rate * len(labels))
    assert not len(labels) or 0 <= int(changed.min()) <= int(changed.max()) < 5
    assert kind == "symmetric" or changed[wrong].equal((given_[wrong] + 1) % 5)
    assert given_.tolist() == labels
    assert changed.equal(noisy(given_, 5, kind, rate, seeded(3)))


def test_symmetric_noise_is_uniform_over_the_other_classes() -> None:
    changed = noisy(torch.zeros(90_000, dtype=torch.int64), 10, "symmetric", 1.0, seeded(0))
    counts = torch.bincount(changed, minlength=10)
    assert counts[0] == 0
    assert counts[1:].sub(10_000).abs().max() < 400  # four standard deviations


@given(st.lists(st.integers(1, 500), min_size=2, max_size=12), st.floats(1.01, 1000))
def test_a_long_tail_thins_each_class_more(sizes: list[int], ratio: float) -> None:
    fewer = imbalanced(sizes, ratio)
    assert fewer[0] == sizes[0]
    assert all(1 <= few <= size for few, size in zip(fewer, sizes, strict=True))
    assert fewer[-1] in (max(1, int(sizes[-1] / ratio)), max(1, int(sizes[-1] / ratio + 1e-9)))
    equal = imbalanced([sizes[0]] * len(sizes), ratio)
    assert equal == sorted(equal, reverse=True)


def test_the_tail_of_the_literature() -> None:
    # CIFAR-10-LT at a ratio of 100, as published with Cui et al. 2019 and since.
    assert imbalanced([5000] * 10, 100) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]


def test_known_noise_stays_what_it_was() -> None:
    labels = torch.arange(1000) % 10
    digests = [draw_sha256(noisy(labels, 10, kind, 0.4, seeded())) for kind in ("symmetric", "pair")]
    assert digests == [
        "9d6de1f51d51c90894a46ebc9acc3bcd297a5447cc4596c09d28aecf6568b4e0",
        "daf9702cea38057b34be7e1c52ca87aba750c30a18e9210cd303d2d392b51f3d",
    ]


def test_a_list_of_indices_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("# two images\n\n7  # the first\n 0\n")
    assert listed(str(file)) == [7, 0]
    for line in ("-1", "1.5", "one", "٣", "1 2", "9" * 20):
        file.write_text(f"7\n{line}\n")
        with pytest.raises(ValueError, match=r"mine.txt, line 2: .* is no index; give one in each line"):
            listed(str(file))
    file.write_bytes(b"\xff\xfe")
    for name, near in ((str(file), ""), (str(tmp_path), ""), ("rmnist", "; did you mean 'rmnist_10'?")):
        with pytest.raises(ValueError, match=f"neither a readable file of indices nor a known list{near}"):
            listed(name)


def test_rmnist_10_has_ten_images_of_each_class(official: Path) -> None:
    labels = (official / "MNIST/raw/train-labels-idx1-ubyte").read_bytes()[8:]
    assert Counter(labels[index] for index in listed("rmnist_10")) == dict.fromkeys(range(10), 10)
