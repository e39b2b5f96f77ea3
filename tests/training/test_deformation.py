"""Deformations, measured: a copy of a ramp holds the positions that its pixels were read from."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from dba_cli.config import Deformation
from dba_cli.data._embedded import load_embedded
from dba_cli.training import DeformedImages
from dba_cli.training._deformation import stroke_variants

SIDE = 28
COPIES = 400


@pytest.fixture(autouse=True)
def _few_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bank of displacement fields is most of the time."""
    monkeypatch.setattr("dba_cli.training._deformation._FIELDS", 300)


def deformed(images: torch.Tensor, seed: int = 0, **sizes: float) -> DeformedImages:
    labels = torch.arange(len(images))
    return DeformedImages(images, labels, Deformation(**sizes), torch.Generator().manual_seed(seed))


def copies_of_one(image: torch.Tensor, **sizes: float) -> np.ndarray:
    """The same deformations of whatever image: (copies, height, width)."""
    data = deformed(image.view(1, 1, SIDE, SIDE), **sizes)
    return data.images_at(torch.zeros(COPIES, dtype=torch.int64))[:, 0].double().numpy()


def positions(**sizes: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of each copy is read from, (copies, height, width, 2) as (x, y) from the middle.

    With it, where that is within the image: there the bilinear value of a ramp is the position itself.
    """
    y, x = torch.meshgrid(*[torch.arange(float(SIDE)) - (SIDE - 1) / 2] * 2, indexing="ij")
    read = np.stack([copies_of_one(x, **sizes), copies_of_one(y, **sizes)], axis=-1)
    return read, copies_of_one(torch.ones(SIDE, SIDE), **sizes) > 1 - 1e-6


GRID = np.stack(np.meshgrid(*[np.arange(SIDE) - (SIDE - 1) / 2] * 2), axis=-1)  # (x, y)


def affine_maps(**sizes: float) -> tuple[np.ndarray, np.ndarray]:
    """The linear part (copies, 2, 2) and the shift (copies, 2) of each copy, which must be affine."""
    linear, shift = [], []
    for read, inside in zip(*positions(**sizes), strict=True):
        assert inside.mean() > 0.5
        known = np.column_stack([GRID[inside], np.ones(inside.sum())])
        found, *_ = np.linalg.lstsq(known, read[inside], rcond=None)
        np.testing.assert_allclose(known @ found, read[inside], atol=1e-4)
        linear.append(found[:2].T)
        shift.append(found[2])
    return np.array(linear), np.array(shift)


def assert_uniform(values: np.ndarray, limit: float) -> None:
    """Spread over (-limit, limit) as uniform draws are: by the Kolmogorov-Smirnov distance."""
    found = (np.sort(values) / limit + 1) / 2
    assert np.abs(found - (np.arange(len(found)) + 0.5) / len(found)).max() < 1.95 / math.sqrt(len(found))


def test_everything_at_zero_changes_nothing() -> None:
    images = torch.rand(5, 1, SIDE, SIDE)
    indices = torch.tensor([3, 0, 3])
    data = deformed(images)
    torch.testing.assert_close(data.images_at(indices), images[indices], atol=1e-5, rtol=0)
    assert (len(data), data.labels.tolist()) == (5, [0, 1, 2, 3, 4])


def test_translation() -> None:
    linear, shift = affine_maps(translation=3)
    np.testing.assert_allclose(linear, np.broadcast_to(np.eye(2), linear.shape), atol=1e-5)
    assert_uniform(shift[:, 0], 3)
    assert_uniform(shift[:, 1], 3)
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("sizes", "limit", "value", "linear_part"),
    [
        (
            {"rotation": 20},
            math.radians(20),
            lambda found: np.arctan2(found[1, 0], found[0, 0]),
            lambda angle: [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]],
        ),
        ({"scale": 0.3}, 0.3, lambda found: np.log(found[0, 0]), lambda log: np.exp(log) * np.eye(2)),
        ({"aspect": 0.3}, 0.3, lambda found: np.log(found[1, 1]), lambda log: [[1, 0], [0, np.exp(log)]]),
        ({"shear": 0.4}, 0.4, lambda found: found[0, 1], lambda sideways: [[1, sideways], [0, 1]]),
    ],
)
def test_each_map_about_the_middle(
    sizes: dict[str, float], limit: float, value: Callable[..., Any], linear_part: Callable[..., Any]
) -> None:
    linear, shift = affine_maps(**sizes)
    np.testing.assert_allclose(shift, 0, atol=1e-4)
    values = [value(found) for found in linear]
    np.testing.assert_allclose(linear, [linear_part(number) for number in values], atol=1e-5)
    assert_uniform(np.array(values), limit)


def displacements(**sizes: float) -> np.ndarray:
    """(copies, height, width, 2), NaN where it leads out of the image."""
    read, inside = positions(**sizes)
    return np.where(inside[..., None], read - GRID, np.nan)


def test_the_elastic_field_is_as_large_as_declared() -> None:
    # The amplitude is uniform in (0, e), so its mean square is e^2 / 3; fields have 1 pixel along each axis.
    found = displacements(elastic=1.5, elastic_sigma=2)
    middle = found[:, 5:-5, 5:-5]
    assert np.isfinite(middle).mean() > 0.999
    for axis in (0, 1):
        assert math.sqrt(np.nanmean(middle[..., axis] ** 2)) == pytest.approx(1.5 / math.sqrt(3), rel=0.05)
    sizes = np.sqrt(np.nanmean(middle**2, axis=(1, 2, 3)))
    assert sizes.max() < 1.5 * 1.4  # one field's size is not exactly 1
    assert np.quantile(sizes, [0.1, 0.9]) == pytest.approx([0.15, 1.35], abs=0.15)
    # As large along the border as in the middle; the half that leads out of the image is not known.
    assert math.sqrt(np.nanmean(found[:, 0, 5:-5] ** 2)) == pytest.approx(1.5 / math.sqrt(3), rel=0.1)
    assert abs(np.nanmean(middle)) < 0.05
    assert abs(np.nanmean(middle[..., 0] * middle[..., 1])) < 0.08


@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_the_elastic_field_is_as_smooth_as_declared(sigma: float) -> None:
    # White noise under a Gaussian is correlated as exp(-(d / sigma)^2 / 4) at a distance of d.
    field = displacements(elastic=1, elastic_sigma=sigma)[:, 4:-4, 4:-4]
    for d in (1, 3, 6):
        for one, other in ((field[:, d:], field[:, :-d]), (field[:, :, d:], field[:, :, :-d])):
            found = np.nanmean(one * other) / np.nanmean(field**2)
            assert found == pytest.approx(math.exp(-((d / sigma) ** 2) / 4), abs=0.05)


def test_a_copy_is_one_bilinear_resampling_at_those_positions() -> None:
    image = (load_embedded()[0][450, 0].float() / 255).contiguous()
    everything = {"rotation": 15, "scale": 0.15, "aspect": 0.1, "shear": 0.2, "translation": 2, "elastic": 2}
    read, inside = positions(**everything)
    for copy, where, known in zip(copies_of_one(image, **everything), read, inside, strict=True):
        at = (where + (SIDE - 1) / 2).transpose(2, 0, 1)[::-1]
        expected = ndimage.map_coordinates(image.double().numpy(), at, order=1, mode="grid-constant")
        np.testing.assert_allclose(copy[known], expected[known], atol=1e-4)


def test_what_comes_from_outside_is_black() -> None:
    copies = copies_of_one(torch.ones(SIDE, SIDE), translation=14)
    assert copies.min() == 0
    shift = affine_maps(translation=5)[1]
    lost = 1 - copies_of_one(torch.ones(SIDE, SIDE), translation=5).mean(axis=(1, 2))
    np.testing.assert_allclose(lost, 1 - np.prod(1 - np.abs(shift) / SIDE, axis=1), atol=1e-3)


def test_the_variants_of_the_strokes_come_equally_often() -> None:
    images = load_embedded()[0][::300].float() / 255
    variants = stroke_variants(images, 0.5)
    found = deformed(images, thickness=0.5).images_at(torch.full((1000,), 2))
    distance = (found.unsqueeze(1) - variants[:, 2].unsqueeze(0)).abs().amax((2, 3, 4))  # (1000, variants)
    assert (distance.min(1).values < 1e-5).all()
    counts = torch.bincount(distance.argmin(1), minlength=len(variants))
    assert (counts - 200).abs().max() < 60
    other = deformed(images, thickness=0.5).copies_of(images, torch.Generator().manual_seed(1))
    torch.testing.assert_close(other, images, atol=1e-5, rtol=0)


EVERYTHING: dict[str, Any] = {
    "rotation": 15, "scale": 0.1, "aspect": 0.1, "shear": 0.1, "translation": 1, "elastic": 1,
    "thickness": 0.25,
}  # fmt: skip


def test_the_generator_alone_decides() -> None:
    images, indices = torch.rand(6, 1, SIDE, SIDE), torch.tensor([5, 0, 0, 2])
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, same, other = (deformed(images, seed, **EVERYTHING) for seed in (7, 7, 8))
    first = one.images_at(indices)
    torch.manual_seed(2)
    assert same.images_at(indices).equal(first)
    assert not other.images_at(indices).isclose(first).all()
    assert not one.images_at(indices).isclose(first).all()  # another time, another copy
    assert not first[1].isclose(first[2]).all()
    torch.manual_seed(1)
    assert torch.get_rng_state().equal(state)
    one.images_at(indices)
    assert torch.get_rng_state().equal(state)


def test_copies_of_other_images_leave_training_where_it_was() -> None:
    images, indices = torch.rand(6, 1, SIDE, SIDE), torch.tensor([1, 1])
    one, same = deformed(images, 7, **EVERYTHING), deformed(images, 7, **EVERYTHING)
    others = one.copies_of(torch.rand(9, 1, SIDE, SIDE), torch.Generator().manual_seed(3))
    assert others.shape == (9, 1, SIDE, SIDE)
    assert one.images_at(indices).equal(same.images_at(indices))


COLOURED = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(7))


def coloured_copies(n: int = 300, **sizes: float) -> Tensor:
    return deformed(COLOURED, **sizes).images_at(torch.arange(n) % 2)


def test_a_flip_exchanges_left_and_right() -> None:
    assert torch.equal(coloured_copies(2, flip=1), COLOURED.flip(-1))
    flipped = [
        torch.equal(copy, COLOURED[i % 2].flip(-1)) for i, copy in enumerate(coloured_copies(flip=0.3))
    ]
    kept = [torch.equal(copy, COLOURED[i % 2]) for i, copy in enumerate(coloured_copies(flip=0.3))]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert abs(sum(flipped) / 300 - 0.3) < 0.1


def test_a_crop_is_any_window_of_the_image_with_a_border() -> None:
    padded = torch.nn.functional.pad(COLOURED, (2,) * 4)
    places = set()
    for i, copy in enumerate(coloured_copies(crop=2)):
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(copy, padded[i % 2, :, y : y + 6, x : x + 5])
        ]
        assert len(found) == 1
        places.update(found)
    assert len(places) == 25


def test_each_copy_has_a_brightness_of_its_own() -> None:
    dark = COLOURED / 2  # so that nothing is cut off at 1
    copies = deformed(dark, brightness=0.4).images_at(torch.arange(COPIES) % 2)
    factors = copies / dark[torch.arange(COPIES) % 2]
    per_copy = factors.flatten(1)
    torch.testing.assert_close(per_copy, per_copy[:, :1].expand_as(per_copy), atol=1e-4, rtol=1e-4)
    assert_uniform(per_copy[:, 0].numpy() - 1, 0.4)


@pytest.mark.parametrize("sizes", [{"flip": 0.5}, {"crop": 1, "rotation": 10}, {"hue": 0.5, "contrast": 0.5}])
def test_coloured_copies_go_on_from_the_state_of_their_stream(sizes: dict[str, float]) -> None:
    before = torch.get_rng_state()
    data = deformed(COLOURED, seed=3, **sizes)
    indices = torch.arange(20) % 2
    data.images_at(indices)
    state = data.generator.get_state()
    expected = data.images_at(indices)
    again = deformed(COLOURED, seed=4, **sizes)
    again.generator.set_state(state)
    assert torch.equal(again.images_at(indices), expected)
    assert not torch.equal(data.images_at(indices), expected)
    assert torch.equal(torch.get_rng_state(), before)
