"""What a run may see, by its protocol: draws, the validation split, and what training and evaluation read."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from dba_cli.config import Config
from dba_cli.data import ImageData, deskew
from dba_cli.errors import UserError
from dba_cli.experiments._images import (
    check_images,
    drawn,
    drawn_images,
    evaluation_samples,
    images_as_they_are,
    protocol,
    trained_labels,
    training_size,
    trusted,
)
from dba_cli.training import TensorData

CPU = torch.device("cpu")


def config(draw: dict[str, Any] | None = None, training: dict[str, Any] | None = None, **data: Any) -> Config:
    return Config.model_validate(
        {
            "experiment": {"name": "x"},
            "data": {"draw": draw or {"per_class": 5}, **data},
            "model": {"kind": "mlp"},
            "training": {"steps": 1, **(training or {})},
            "optimizers": [{"name": "sgd", "kind": "sgd", "lr": 0.1}],
            "seeds": [0],
        }
    )


def image_data(images: torch.Tensor, labels: torch.Tensor, n: int) -> ImageData:
    """The first ``n`` for training, the others for testing."""
    parts = images[:n], labels[:n], images[n:], labels[n:]
    return ImageData("mnist", "official", *parts, num_classes=10, official_size=60_000, title="MNIST")


def made_up(n: int = 1200, seed: int = 0) -> ImageData:
    """Blots, brighter to one side, in classes of unequal sizes."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n + 30, 1, 28, 28), generator=generator, dtype=torch.uint8)
    images[..., :9] //= 4
    labels = torch.randint(0, 13, (n + 30,), generator=generator).clamp(max=9)
    return image_data(images, labels, n)


DATA = made_up()
FULL = {"fraction": 1.0}
DEFORMED = {"deformation": {"rotation": 10}}


@pytest.mark.parametrize(
    ("draw", "training", "data", "name"),
    [
        ({"fraction": 0.01}, {}, {}, "random draw"),
        ({"per_class": 10}, {}, {}, "random draw"),
        (FULL, {}, {}, "full training set"),
        ({"per_class": 10, "by": "facility_location"}, {}, {}, "selected draw"),
        ({"indices": "rmnist_10"}, {}, {}, "listed draw"),
        (FULL, {"step_budget": 600}, {}, "step budget 600"),
        ({"fraction": 0.01}, DEFORMED, {}, "random draw, deformed"),
        (FULL, {"step_budget": 100, **DEFORMED}, {}, "step budget 100, deformed"),
        ({"fraction": 0.01}, {}, {"evaluate_on": "validation"}, "random draw, validation split"),
        (
            {"per_class": 10, "by": "facility_location"},
            DEFORMED,
            {"evaluate_on": "validation"},
            "selected draw, deformed, validation split",
        ),
        (
            {"per_class": 9},
            DEFORMED,
            {"trusted": {"per_class": 5}, "noise": {"kind": "pair", "rate": 0.4}},
            "random draw, 40 % pair label noise, 5 trusted per class, deformed",
        ),
        # A fixed preprocessing of each image by itself is no other protocol.
        ({"fraction": 0.01}, {}, {"preprocessing": "deskew", "standardize": True}, "random draw"),
    ],
)
def test_protocols(draw: dict[str, Any], training: dict[str, Any], data: dict[str, Any], name: str) -> None:
    assert protocol(config(draw, training, **data)) == name


def pixels_in(samples: TensorData) -> set[bytes]:
    return {image.numpy().tobytes() for image in samples.images}


DRAWS = [{"fraction": 0.005}, {"per_class": 20}, FULL, {"per_class": 3, "by": "facility_location"}]


@pytest.mark.parametrize("draw", DRAWS, ids=str)
def test_no_draw_takes_an_image_of_the_validation_split(draw: dict[str, Any]) -> None:
    whole = config(draw, evaluate_on="validation")
    held_out = pixels_in(evaluation_samples(whole.data, DATA, CPU, 0))
    assert len(held_out) == 1200 // 6
    for seed in range(6):
        indices = drawn(whole.data, DATA, seed)
        assert not pixels_in(drawn_images(whole.data, DATA, indices, CPU, 0)[0]) & held_out
        assert indices.equal(indices.unique())  # ascending, each once
    if draw == FULL:
        assert len(indices) == 1200 - 200


def test_a_listed_draw_is_the_list_whatever_the_seed() -> None:
    listed = config({"indices": [70, 3, 41, 1199]})
    for seed in (0, 5):
        assert drawn(listed.data, DATA, seed).tolist() == [3, 41, 70, 1199]
    assert training_size(listed, DATA) == 4
    with pytest.raises(UserError, match=r"sample 1,200 cannot be drawn: MNIST has 1,200 training samples"):
        drawn(config({"indices": [3, 1200]}).data, DATA, 0)
    split = evaluation_samples(config(evaluate_on="validation").data, DATA, CPU, 0)
    where = next(i for i, image in enumerate(DATA.train_images) if image.numpy().tobytes() in _bytes(split))
    with pytest.raises(UserError, match=f"sample {where:,} cannot be drawn: it is of the validation split"):
        training_size(config({"indices": [where]}, evaluate_on="validation"), DATA)


def _bytes(samples: TensorData) -> set[bytes]:
    return {(image * 255).round().to(torch.uint8).numpy().tobytes() for image in samples.images}


def test_the_split_is_one_for_all_seeds_draws_and_calls() -> None:
    first = evaluation_samples(config(DRAWS[0], evaluate_on="validation").data, DATA, CPU, 0)
    torch.manual_seed(5)
    again = evaluation_samples(config(FULL, evaluate_on="validation").data, made_up(), CPU, 1)
    assert first.images.equal(again.images)
    assert first.labels.equal(again.labels)


def test_the_split_has_the_classes_in_proportion() -> None:
    labels = evaluation_samples(config(evaluate_on="validation").data, DATA, CPU, 0).labels
    counts, whole = torch.bincount(labels), torch.bincount(DATA.train_labels)
    assert (counts - whole / 6).abs().max() < 1


def test_the_split_is_a_sixth_of_the_official_training_set() -> None:
    labels = torch.arange(60_010) % 10
    data = image_data(torch.zeros(60_010, 1, 1, 1, dtype=torch.uint8), labels, 60_000)
    assert len(evaluation_samples(config(evaluate_on="validation").data, data, CPU, 0)) == 10_000
    held_in = drawn(config(FULL, evaluate_on="validation").data, data, 0)
    assert len(held_in) == 50_000
    assert len(drawn(config({"fraction": 0.01}, evaluate_on="validation").data, data, 0)) == 600


def test_without_the_split_every_training_image_can_be_drawn() -> None:
    assert drawn(config(FULL).data, DATA, 0).tolist() == list(range(1200))


def test_a_seed_decides_a_random_draw_and_no_selected_one() -> None:
    random, selected = config({"per_class": 4}), config({"per_class": 4, "by": "facility_location"})
    assert not drawn(random.data, DATA, 0).equal(drawn(random.data, DATA, 1))
    assert drawn(random.data, DATA, 1).equal(drawn(random.data, made_up(), 1))
    assert drawn(selected.data, DATA, 0).equal(drawn(selected.data, DATA, 1))
    for whole in (random, selected):
        assert torch.bincount(DATA.train_labels[drawn(whole.data, DATA, 0)]).tolist() == [4] * 10


def test_trusted_images_are_none_of_the_draw_nor_of_the_validation_split() -> None:
    plain, whole = (
        config({"per_class": 20}, evaluate_on="validation", **more)
        for more in ({}, {"trusted": {"per_class": 5}})
    )
    held_out, seen = pixels_in(evaluation_samples(whole.data, DATA, CPU, 0)), set()
    for seed in range(4):
        indices = drawn(whole.data, DATA, seed)
        assert indices.equal(drawn(plain.data, DATA, seed))
        found = trusted(whole.data, DATA, indices, seed)
        assert torch.bincount(DATA.train_labels[found]).tolist() == [5] * 10
        assert not set(found.tolist()) & set(indices.tolist())
        assert not pixels_in(images_as_they_are(whole.data, DATA, found, CPU)) & held_out
        seen.add(tuple(found.tolist()))
    assert len(seen) == 4
    assert len(trusted(plain.data, DATA, indices, 0)) == 0


@pytest.mark.parametrize(
    ("draw", "left"), [(FULL, "draw fewer, or leave it out"), ({"per_class": 80}, "use ")]
)
def test_there_must_be_as_many_beside_the_draw(draw: dict[str, Any], left: str) -> None:
    with pytest.raises(UserError, match=f"data.trusted.per_class: 30 images of each class beside.*{left}"):
        training_size(config(draw, trusted={"per_class": 30}), DATA)


@pytest.mark.parametrize("preprocessing", ["none", "deskew"])
def test_training_reads_the_drawn_images_in_their_order_prepared_as_in_evaluation(preprocessing: str) -> None:
    data, indices = config(preprocessing=preprocessing).data, torch.tensor([3, 700, 9])
    samples, tested = drawn_images(data, DATA, indices, CPU, 0)[0], evaluation_samples(data, DATA, CPU, 0)
    seen, test = DATA.train_images[indices] / 255, DATA.test_images / 255
    if preprocessing == "deskew":
        assert not deskew(seen).isclose(seen, atol=0.01).all()
        seen, test = deskew(seen), deskew(test)
    torch.testing.assert_close(samples.images_at(torch.tensor([1, 2])), seen[1:])
    torch.testing.assert_close(tested.images, test)
    assert samples.labels.equal(DATA.train_labels[indices])
    assert tested.labels.equal(DATA.test_labels)


@pytest.mark.parametrize("preprocessing", ["none", "deskew"])
def test_standardised_by_the_pixels_of_the_draw_alone(preprocessing: str) -> None:
    whole, indices = config(standardize=True, preprocessing=preprocessing), torch.arange(5, 25)
    samples, found = drawn_images(whole.data, DATA, indices, CPU, 0)
    assert found is not None
    after = found(samples.images.double())
    assert float(after.mean()) == pytest.approx(0, abs=1e-5)
    assert float(after.square().mean()) == pytest.approx(1, abs=1e-5)
    blackened = made_up()
    for images, kept in ((blackened.train_images, indices), (blackened.test_images, [])):
        mask = torch.ones(len(images), dtype=torch.bool)
        mask[kept] = False
        images[mask] = 0
    same = drawn_images(whole.data, blackened, indices, CPU, 0)[1]
    assert same is not None
    assert (same.mean, same.std) == (found.mean, found.std)


def test_standardisation_is_off_unless_asked_for_and_stands_blank_images() -> None:
    assert drawn_images(config().data, DATA, torch.arange(5), CPU, 0)[1] is None
    data = image_data(torch.zeros(20, 1, 28, 28, dtype=torch.uint8), torch.arange(20) % 10, 20)
    found = drawn_images(config(standardize=True).data, data, torch.arange(20), CPU, 0)[1]
    assert found is not None
    assert found(torch.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("training", "data", "key"),
    [
        ({}, {"preprocessing": "deskew"}, "data.preprocessing: deskew"),
        ({"deformation": {"thickness": 0.5}}, {}, "training.deformation.thickness"),
    ],
)
def test_what_is_for_strokes_alone_is_refused_in_colour(
    training: dict[str, Any], data: dict[str, Any], key: str
) -> None:
    check_images(config(training=training, **data), DATA)
    colour = image_data(torch.zeros(20, 3, 8, 8, dtype=torch.uint8), torch.arange(20) % 10, 10)
    with pytest.raises(UserError, match=f"{key} is for grey images of strokes, and mnist has 3 channels"):
        check_images(config(training=training, **data), colour)
    check_images(config(training=DEFORMED), colour)


def test_no_class_is_too_large_to_compare_every_two_images() -> None:
    labels = torch.zeros(15_002, dtype=torch.int64)
    images = torch.zeros(15_002, 1, 1, 1, dtype=torch.uint8)
    selected = config({"per_class": 4, "by": "facility_location"})
    check_images(selected, image_data(images, labels, 15_000))
    with pytest.raises(UserError, match="at most 15,000, and a class of mnist has 15,001: draw by: random"):
        check_images(selected, image_data(images, labels, 15_001))
    check_images(config(), image_data(images, labels, 15_001))


def one_part(n: int = 60, classes: int = 3) -> ImageData:
    """Samples without a test part: a table, class c twice as frequent as class c + 1."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.cat([torch.full((max(2, n >> c),), c) for c in range(classes)])
    rows = torch.rand(len(labels), 4, generator=generator)
    return ImageData(
        *("csv", "own", rows, labels, rows[:0], labels[:0]),
        num_classes=classes,
        official_size=len(labels),
        title="t.csv",
        provenance="own",
    )


TABLE = one_part()


def own(draw: dict[str, Any] = FULL, **data: Any) -> Config:
    return config(draw, dataset="csv", path="t.csv", target="t", **data)


def test_each_seed_holds_out_other_samples_of_each_class() -> None:
    whole = own(holdout=0.25)
    assert protocol(whole) == "full training set, hold-outs of 25 %"
    seen = set()
    for seed in (0, 1):
        indices = drawn(whole.data, TABLE, seed)
        tested = evaluation_samples(whole.data, TABLE, CPU, seed)
        assert torch.bincount(tested.labels).tolist() == [15, 7, 4]
        assert len(indices) == len(TABLE.train_labels) - 26 == training_size(whole, TABLE)
        trained = TABLE.train_images[indices]
        assert not set(map(tuple, trained.tolist())) & set(map(tuple, tested.images.tolist()))
        seen.add(tuple(indices.tolist()))
        # What is tuned is tuned on training samples of the same hold-out.
        tuned = own(holdout=0.25, evaluate_on="validation")
        rows = set(map(tuple, evaluation_samples(tuned.data, TABLE, CPU, seed).images.tolist()))
        assert rows
        assert rows < set(map(tuple, trained.tolist()))
        left = TABLE.train_images[drawn(tuned.data, TABLE, seed)].tolist()
        assert rows | set(map(tuple, left)) == set(map(tuple, trained.tolist()))
    assert len(seen) == 2
    # One validation split for all seeds, of which no seed's hold-out has a sample.
    chosen_by = evaluation_samples(own(holdout=0.25, evaluate_on="validation").data, TABLE, CPU, 0)
    for seed in range(20):
        again = evaluation_samples(own(holdout=0.25, evaluate_on="validation").data, TABLE, CPU, seed)
        assert torch.equal(again.images, chosen_by.images)
        tested = evaluation_samples(whole.data, TABLE, CPU, seed)
        assert not set(map(tuple, tested.images.tolist())) & set(map(tuple, chosen_by.images.tolist()))
    rare = one_part(5)
    assert torch.bincount(rare.train_labels[drawn(own(holdout=0.9).data, rare, 0)]).tolist() == [2, 1, 1]


def test_standardised_columns_are_those_of_the_draw() -> None:
    whole = own(standardize=True, holdout=0.25)
    indices = drawn(whole.data, TABLE, 3)
    samples, found = drawn_images(whole.data, TABLE, indices, CPU, 3)
    assert found is not None
    scaled = found(samples.images)
    assert scaled.mean(0).abs().max() < 1e-6
    assert scaled.std(0, correction=0).sub(1).abs().max() < 1e-5
    constant = replace(TABLE, train_images=TABLE.train_images.clone().index_fill_(1, torch.tensor(2), 0.3))
    scale = drawn_images(whole.data, constant, indices, CPU, 3)[1]
    assert scale is not None
    assert scale(constant.train_images)[:, 2].abs().max() < 1e-6


def test_what_is_missing_gets_the_mean_of_the_draw_or_the_readers() -> None:
    torn = TABLE.train_images.clone()
    torn[::5, 1] = torch.nan
    data, whole = replace(TABLE, train_images=torn), own(standardize=True, holdout=0.25)
    indices = drawn(whole.data, data, 3)
    samples, found = drawn_images(whole.data, data, indices, CPU, 3)
    assert found is not None
    gaps, column = torn[indices, 1].isnan(), torn[indices, 1]
    mean = column[~gaps].mean()
    filled = torch.where(gaps, mean, column)
    expected = (filled - mean) / filled.std(correction=0)
    torch.testing.assert_close(found(samples.images)[:, 1], expected)
    tested = evaluation_samples(whole.data, data, CPU, 3).images
    assert tested[:, 1].isnan().any()
    assert (found(tested)[:, 1][tested[:, 1].isnan()].abs() < 1e-6).all()
    plain = own(holdout=0.25)
    images, none = drawn_images(plain.data, data, indices, CPU, 3)
    assert none is None
    assert torch.equal(images.images, samples.images.nan_to_num())
    assert evaluation_samples(plain.data, data, CPU, 3).images.isfinite().all()


@pytest.mark.parametrize("kind", ["symmetric", "pair"])
def test_noise_is_in_the_labels_of_the_draw_alone(kind: str) -> None:
    whole = config({"per_class": 20}, noise={"kind": kind, "rate": 0.4})
    assert protocol(whole) == f"random draw, 40 % {kind} label noise"
    clean = config({"per_class": 20})
    indices = drawn(whole.data, DATA, 1)
    assert indices.equal(drawn(clean.data, DATA, 1))
    given, labels = DATA.train_labels[indices], trained_labels(whole.data, DATA, indices, 1)
    wrong = labels != given
    assert int(wrong.sum()) == 80
    steps = (labels - given)[wrong] % 10
    assert (set(steps.tolist()) == {1}) == (kind == "pair")
    if kind == "symmetric":
        assert set(steps.tolist()) == set(range(1, 10))
    assert drawn_images(whole.data, DATA, indices, CPU, 1)[0].labels.equal(labels)
    assert not trained_labels(whole.data, DATA, indices, 2).equal(labels)
    assert trained_labels(clean.data, DATA, indices, 1).equal(given)
    assert evaluation_samples(whole.data, DATA, CPU, 1).labels.equal(DATA.test_labels)


def test_an_imbalanced_draw_is_a_part_of_the_balanced_one() -> None:
    whole = config({"per_class": 50}, imbalance={"ratio": 10})
    assert protocol(whole) == "random draw, imbalance 10"
    indices = drawn(whole.data, DATA, 1)
    assert set(indices.tolist()) < set(drawn(config({"per_class": 50}).data, DATA, 1).tolist())
    # 50 * 10 ** (-c / 9), as in Cui et al. 2019
    expected = [50, 38, 29, 23, 17, 13, 10, 8, 6, 5]
    assert torch.bincount(DATA.train_labels[indices]).tolist() == expected
    assert training_size(whole, DATA) == sum(expected)
    assert not indices.equal(drawn(whole.data, DATA, 2))
    both = config({"per_class": 50}, imbalance={"ratio": 10}, noise={"kind": "pair", "rate": 0.25})
    assert protocol(both) == "random draw, imbalance 10, 25 % pair label noise"


def test_a_repeated_sample_has_one_label_right_or_wrong() -> None:
    keys = {"noise": {"kind": "symmetric", "rate": 0.4}}
    once, often = (config({"per_class": 5}, **keys, repeat=times) for times in (1, 3))
    assert protocol(often) == "random draw, every sample 3 times, 40 % symmetric label noise"
    indices = drawn(once.data, DATA, 1)
    assert drawn(often.data, DATA, 1).tolist() == [i for i in indices.tolist() for _ in range(3)]
    labels = trained_labels(once.data, DATA, indices, 1)
    repeated = drawn_images(often.data, DATA, drawn(often.data, DATA, 1), CPU, 1)[0]
    assert repeated.labels.tolist() == [label for label in labels.tolist() for _ in range(3)]
    assert len(repeated) == training_size(often, DATA) == 3 * training_size(once, DATA)


@pytest.mark.parametrize(
    ("data", "samples", "training", "said"),
    [
        ({}, TABLE, {}, "has no test part: give data.holdout, such as 0.2"),
        ({"holdout": 0.2}, DATA, {}, "MNIST has a test part: leave the hold-out out"),
        ({"holdout": 0.2}, TABLE, {"deformation": {"rotation": 1}}, "training.deformation is for images"),
        ({"holdout": 0.2, "preprocessing": "deskew"}, TABLE, {}, "data.preprocessing is for images"),
        (
            {"holdout": 0.2},
            replace(TABLE, train_labels=torch.tensor([0, 0, 1])),
            {},
            "class 1 has one sample",
        ),
    ],
)
def test_what_samples_cannot_give_is_refused(data: Any, samples: ImageData, training: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_images(config({"fraction": 1.0}, training, **data), samples)
