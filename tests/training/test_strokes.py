"""Stroke thickness, against scipy's grey-scale morphology on the enlarged images."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from dba_cli.data._embedded import load_embedded
from dba_cli.training._deformation import stroke_variants


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return load_embedded()[0][::150].float() / 255


def disc(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius


def test_dilated_and_eroded_by_discs_on_a_grid_four_times_as_fine(digits: torch.Tensor) -> None:
    variants = stroke_variants(digits, 0.75).numpy()
    fine = F.interpolate(digits, scale_factor=4, mode="bicubic", align_corners=False).clamp(0, 1)
    for number, image in enumerate(fine[:, 0].numpy()):
        expected = [digits[number, 0].numpy()]
        for radius in (1, 2, 3):
            for change in (ndimage.grey_dilation, ndimage.grey_erosion):
                changed = change(image, footprint=disc(radius), mode="nearest")
                expected.append(changed.reshape(28, 4, 28, 4).mean(axis=(1, 3)))
        np.testing.assert_allclose(variants[:, number, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("thickness", "variants"), [(0, 1), (0.2, 1), (0.25, 3), (0.74, 5), (0.75, 7), (2, 17)]
)
def test_a_pair_of_variants_for_each_quarter_of_a_pixel(
    digits: torch.Tensor, thickness: float, variants: int
) -> None:
    made = stroke_variants(digits, thickness)
    assert made.shape == (variants, *digits.shape)
    assert made[0].equal(digits)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1


def test_a_bar_grows_by_the_radius_on_either_side() -> None:
    bar = torch.zeros(1, 1, 28, 28)
    bar[..., 10:18] = 1
    widths = stroke_variants(bar, 1)[:, 0, 0, 14].sum(-1)
    # The bicubic edge is not a step: a sub-pixel's difference is allowed.
    assert widths[[1, 3, 5, 7]].diff().tolist() == pytest.approx([0.5] * 3, abs=0.02)
    assert widths[[2, 4, 6, 8]].diff().tolist() == pytest.approx([-0.5] * 3, abs=0.02)
