"""Label-preserving deformations of a draw's own images, cheap enough for every training step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dba_cli.config import Deformation
from dba_cli.data import import_torchvision
from dba_cli.training._batches import TensorData

_FIELDS = 4096  # displacement fields that are drawn and smoothed once, then scaled anew at each use
_FINER = 4  # sub-pixels per pixel and axis, for strokes
_TRANSFORMS = {"flip", "crop", "brightness", "contrast", "saturation", "hue"}


class DeformedImages:
    """The images of a draw; every time an image is asked for, another deformed copy of it comes.

    A copy is one bilinear resampling of the image, at the pixel positions of a random affine map
    plus an elastic displacement (Simard, Steinkraus and Platt 2003): white noise smoothed by a Gaussian.
    Drawing and smoothing noise in every step would cost several times the step; a bank of fields, made once,
    costs a look-up, and is never used twice alike: each copy has its own field, amplitude and affine map.
    After that each copy goes through torchvision's random flip, crop and changes of colour, where asked for.

    Args:
        images: float, shape (n, channels, height, width).
        labels: int64, shape (n,).
        config: the largest size of each deformation; each copy draws its own, uniformly.
        generator: a CPU generator: makes the bank, then draws every copy.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, config: Deformation, generator: torch.Generator
    ) -> None:
        self.labels = labels
        self.generator = generator
        """The stream of the copies; once the bank is made, its state is the whole state."""
        self._config = config
        self._device = images.device
        self._height, self._width = images.shape[-2:]
        self._moved = bool(config.model_dump(exclude_defaults=True).keys() - _TRANSFORMS)
        self._transform = _transform(config, (self._height, self._width))
        self._variants = stroke_variants(images, config.thickness)
        self._pixels = _positions(self._height, self._width).to(images.device)
        self._fields: Tensor | None = None
        if config.elastic > 0:
            fields = _smooth_fields(_FIELDS, self._height, self._width, config.elastic_sigma, generator)
            self._fields = fields.to(images.device)

    def __len__(self) -> int:
        return len(self.labels)

    def images_at(self, indices: Tensor) -> Tensor:
        """Return a new deformed copy of each of the images ``indices`` (m,), (m, channels, height, width)."""
        return self._copies(self._variants, indices, self.generator)

    def copies_of(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return a deformed copy of other ``images`` (m, channels, height, width), strokes as they are."""
        indices = torch.arange(len(images), device=images.device)
        return self._copies(images.unsqueeze(0), indices, generator)

    def _copies(self, variants: Tensor, indices: Tensor, generator: torch.Generator) -> Tensor:
        if self._transform is None:
            return self._resampled(variants, indices, generator)
        images = variants[0].index_select(0, indices)
        if self._moved:
            images = self._resampled(variants, indices, generator)
        # They draw from torch's global state: seeded from the stream, whose state so stays the whole state.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            return torch.stack([self._transform(image) for image in images])

    def _resampled(self, variants: Tensor, indices: Tensor, generator: torch.Generator) -> Tensor:
        m = len(indices)
        which = torch.randint(len(variants), (m,), generator=generator).to(self._device)
        # The position that each pixel of each copy is read from, all x before all y: (m, 2, height * width).
        # Plane by plane it is one product; in pairs, as grid_sample wants them, it would be m thin ones.
        maps = self._maps(m, generator).to(self._device)
        grid = torch.mm(maps.view(2 * m, 3), self._pixels).view(m, 2, -1)
        if self._fields is not None:
            field = torch.randint(len(self._fields), (m,), generator=generator).to(self._device)
            amplitude = self._config.elastic * torch.rand(m, 1, 1, generator=generator).to(self._device)
            grid.addcmul_(self._fields.index_select(0, field), amplitude)
        pairs = grid.view(m, 2, self._height, self._width).permute(0, 2, 3, 1)
        # One row of all variants for each copy: index_select is quicker than indexing by two tensors.
        images = variants.flatten(0, 1).index_select(0, which * variants.shape[1] + indices)
        return F.grid_sample(images, pairs, align_corners=False)

    def _maps(self, m: int, generator: torch.Generator) -> Tensor:
        """Return ``m`` random affine maps (m, 2, 3), from homogeneous (x, y, 1) to the position read."""
        config = self._config
        uniform = torch.rand(6, m, generator=generator) * 2 - 1
        angle = uniform[0] * math.radians(config.rotation)
        size, height = torch.exp(uniform[1] * config.scale), torch.exp(uniform[2] * config.aspect)
        shear = uniform[3] * config.shear
        cos, sin = torch.cos(angle), torch.sin(angle)
        # Rotation times shear, in pixels: grid_sample's units differ in x and y where an image is not square.
        wide = self._width / self._height
        shift = uniform[4:] * config.translation * 2
        rows = [
            size * cos,
            size * (shear * cos - sin) / wide,
            shift[0] / self._width,
            size * height * sin * wide,
            size * height * (shear * sin + cos),
            shift[1] / self._height,
        ]
        return torch.stack(rows, -1).view(m, 2, 3)


@dataclass(frozen=True)
class NoisySamples:
    """Samples whose inputs get Gaussian noise of a standard deviation, drawn anew each time.

    Small noise has the effect of a Tikhonov regularizer (Bishop 1995).
    """

    samples: TensorData | DeformedImages
    deviation: float
    generator: torch.Generator

    @property
    def labels(self) -> Tensor:
        """The labels (n,)."""
        return self.samples.labels

    def __len__(self) -> int:
        return len(self.samples)

    def images_at(self, indices: Tensor) -> Tensor:
        """Return the inputs at ``indices`` (m,) with noise."""
        images = self.samples.images_at(indices)
        noise = torch.randn(images.shape, generator=self.generator)
        return images + self.deviation * noise.to(images.device)


def _transform(config: Deformation, size: tuple[int, int]) -> Callable[[Tensor], Tensor] | None:
    """Return what changes one image (channels, height, width), by torch's global random state."""
    if not config.model_dump(exclude_defaults=True).keys() & _TRANSFORMS:
        return None
    import_torchvision()
    v2: Any = import_module("torchvision.transforms.v2")
    colours = config.brightness, config.contrast, config.saturation, config.hue
    transforms = [
        *([v2.RandomHorizontalFlip(config.flip)] if config.flip else []),
        *([v2.RandomCrop(size, padding=config.crop)] if config.crop else []),
        *([v2.ColorJitter(*colours)] if any(colours) else []),
    ]
    composed: Callable[[Tensor], Tensor] = v2.Compose(transforms)
    return composed


def _positions(height: int, width: int) -> Tensor:
    """Return the pixels' centres in grid_sample's units, homogeneous, shape (3, height * width)."""
    y, x = torch.meshgrid(
        (torch.arange(height) * 2 + 1) / height - 1,
        (torch.arange(width) * 2 + 1) / width - 1,
        indexing="ij",
    )
    return torch.stack([x.flatten(), y.flatten(), torch.ones(height * width)])


def _smooth_fields(count: int, height: int, width: int, sigma: float, generator: torch.Generator) -> Tensor:
    """Return displacement fields (count, 2, height * width) of root mean square one pixel on each axis."""
    radius = math.ceil(3 * sigma)
    kernel = torch.exp(-(torch.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
    # Noise beyond the border, so that smoothing leaves displacements of one size everywhere.
    noise = torch.randn(count * 2, 1, height + 2 * radius, width + 2 * radius, generator=generator)
    smooth = F.conv2d(F.conv2d(noise, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    fields = (smooth / smooth.std()).view(count, 2, height * width)
    return fields * torch.tensor([[2 / width], [2 / height]])


def stroke_variants(images: Tensor, thickness: float) -> Tensor:
    """Return ``images`` (n, 1, height, width) as they are, thicker, thinner, ...: one row for each variant.

    Grey-scale dilation and erosion by a disc, for each radius of 1/4, 2/4, ... pixel up to ``thickness``, on
    images enlarged four times (bicubic) and averaged back.
    """
    variants = [images]
    radii = range(1, math.floor(thickness * _FINER + 1e-9) + 1)
    if radii:
        fine = F.interpolate(images, scale_factor=_FINER, mode="bicubic", align_corners=False).clamp(0, 1)
        for radius in radii:
            variants.append(F.avg_pool2d(_dilate(fine, radius), _FINER))
            variants.append(F.avg_pool2d(1 - _dilate(1 - fine, radius), _FINER))
    return torch.stack(variants)


def _dilate(images: Tensor, radius: int) -> Tensor:
    """Return the maximum over a disc around each pixel; beyond the border the border is repeated."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (radius,) * 4, mode="replicate")
    out = images
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                top, left = radius + dy, radius + dx
                out = torch.maximum(out, padded[..., top : top + height, left : left + width])
    return out
