"""Folders of images, one sub-folder for each class."""

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dba_cli.data._samples import Samples, check_size, classified, joined
from dba_cli.errors import UserError, one_line, printable

# Formats that Pillow decodes by itself; others start programs (EPS) or hold several images.
_FORMATS = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
_MOST_PIXELS = 2**24  # of one image
_VALIDATION = {"val", "valid", "validation"}
_CLUTTER = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # what systems leave; names with a dot as well

File = tuple[str, Path]
"""A file's path below the root, with slashes, and where it is."""


def read_folder(root: Path) -> Samples:
    """Read ``root/CLASS/*.png`` or ``root/train/CLASS/*.png`` and ``root/test/CLASS/*.png``.

    Files are read in the order of their names. All images must have one size; they become colour images
    if one of them is. EXIF orientation is applied; what is transparent becomes white. Hidden files are passed
    over, and what a system leaves (Thumbs.db).

    Raises:
        UserError: No classes or images; an image that cannot be read, or of another size; a link out.
    """
    parts = [_classes(root, folder) for folder in _parts(root)]
    files = [[file for of in part.values() for file in of] for part in parts]
    every = [file for part in files for file in part]
    labels = [np.array([name for name, of in part.items() for _ in of]) for part in parts]
    classes, numbers = classified(labels, root)
    images = Images(len(every))
    for name, path in every:
        with opened(path, root / name) as image:
            images.add(image, root / name)
    pixels = torch.from_numpy(images.pixels).split([len(part) for part in files])  # type: ignore[no-untyped-call]
    names = [[printable(name) for name, _ in part] for part in files]
    return joined(zip(pixels, numbers, names, strict=True), classes, notes=images.notes)


class Images:
    """Collects ``n`` images of one size, as an array (n, channels, height, width) of bytes."""

    def __init__(self, n: int) -> None:
        self._n, self._filled = n, 0
        self._first = ""
        self._pixels: npt.NDArray[np.uint8] | None = None
        self._grey = self._transparent = 0

    def add(self, image: Any, name: object) -> None:
        """Add an image of Pillow's; UserError where it has another size than the first, or is damaged."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's about metadata; what cannot be decoded raises
                array = self._array(image, name)
        except UserError:
            raise
        except Exception as error:  # whatever a damaged or hostile file makes a decoder raise
            raise UserError(f"{name}: no readable image ({one_line(error):.100})") from None
        if self._pixels is None:
            check_size((self._n, *array.shape), 1, f"{name} and {self._n - 1} more")
            self._pixels, self._first = np.empty((self._n, *array.shape), np.uint8), str(name)
        if array.shape[1:] != self._pixels.shape[2:]:
            (height, width), (others_height, others_width) = array.shape[1:], self._pixels.shape[2:]
            raise UserError(
                f"{name}: {width} x {height} pixels, but {self._first} has {others_width} x {others_height}:"
                " make all images one size first"
            )
        if len(array) > self._pixels.shape[1]:  # the first in colour: those before are grey
            check_size((self._n, *array.shape), 1, f"{name} and {self._n - 1} more")
            self._pixels = np.repeat(self._pixels, 3, axis=1)
        self._grey += len(array) == 1
        self._pixels[self._filled] = array
        self._filled += 1

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The images, once all were added."""
        assert self._pixels is not None
        assert self._filled == self._n
        return self._pixels

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to images, in sentences."""
        notes = []
        if self._grey and self.pixels.shape[1] == 3:
            notes.append(f"{self._grey} of {self._n} images are grey and were read as colour images.")
        if self._transparent:
            notes.append(f"{self._transparent} of {self._n} images are partly transparent: shown on white.")
        return tuple(notes)

    def _array(self, image: Any, name: object) -> npt.NDArray[np.uint8]:
        """Return the pixels (1 or 3, height, width)."""
        from PIL import Image, ImageOps

        width, height = image.size
        if width * height > _MOST_PIXELS:
            raise UserError(
                f"{name}: {width:,} x {height:,} pixels (a decompression bomb?); at most {_MOST_PIXELS:,} are"
                " read: make it smaller first"
            )
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(f"{name}: holds {image.n_frames} images: save the one that is meant")
        if image.mode[0] in "IF":
            raise UserError(
                f"{name}: its pixels are no bytes (mode {image.mode}): save it with 8 bits a channel"
            )
        image = ImageOps.exif_transpose(image)
        palette, grey = image.mode in ("P", "PA"), image.mode in ("1", "L", "LA", "La")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            if image.getextrema()[3][0] < 255:
                self._transparent += 1
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        array = np.asarray(image.convert("RGB" if not grey or image.mode == "RGBA" else "L"))
        if array.ndim == 3:
            array = array.transpose(2, 0, 1)
            if grey or (palette and (array == array[:1]).all()):
                array = array[:1]
        return array.reshape(-1, *array.shape[-2:])


def opened(path: Path, name: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a large one: `Images` looks at the size
            return Image.open(path, formats=sorted(set(_FORMATS.values())))
    except UnidentifiedImageError:
        raise UserError(f"{name}: no readable image: empty, damaged, or something else") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name}: too many pixels (a decompression bomb?): make it smaller first") from None
    except Exception as error:  # whatever a damaged or hostile file makes a decoder raise
        raise UserError(f"{name}: no readable image ({type(error).__name__})") from None


def _parts(root: Path) -> list[Path]:
    """Return the folders of the training and of the test part, or the one folder of the classes."""
    names = {entry.name for entry in _entries(root, root) if entry.is_dir()}
    if not names:
        raise UserError(
            f"{root}: no sub-folders: put the images of each class into a folder named as the class"
        )
    others = sorted(names & _VALIDATION)
    if "train" in names and names <= {"train", "test", *_VALIDATION}:
        if others:
            raise UserError(
                f"{root}: a part {others[0]!r} is neither train nor test: move its images into train (what is"
                " tuned is tuned on training images kept out), or name it test"
            )
        return [root / name for name in ("train", "test") if name in names]
    return [root]


def _classes(root: Path, part: Path) -> dict[str, list[File]]:
    """Return the files of each class, by its name; classes and files in the order of their names."""
    found: dict[str, list[File]] = {}
    for entry in _entries(root, part):
        if entry.is_dir():
            found[entry.name] = list(_files(root, Path(entry.path)))
        elif _suffix(entry.name) in _FORMATS:
            raise UserError(f"{entry.path}: an image outside the folders of the classes: move it into one")
    if not any(found.values()):
        raise UserError(f"{part}: no images; they are files named {', '.join(_FORMATS)}")
    for name, files in found.items():
        if not files:
            raise UserError(f"{part / name}: a class without images: add some, or remove the folder")
    return found


def _files(root: Path, folder: Path) -> Iterator[File]:
    for entry in _entries(root, folder):
        if entry.is_dir():
            raise UserError(f"{entry.path}: a folder inside a class's: move its images up, or away")
        if _suffix(entry.name) not in _FORMATS:
            raise UserError(f"{entry.path}: no image by its name ({', '.join(_FORMATS)}): move it away")
        if not entry.is_file():
            raise UserError(f"{entry.path}: no regular file")
        path = Path(entry.path)
        yield path.relative_to(root).as_posix(), path


def image_files(folder: Path) -> list[Path]:
    """Return the images that lie in ``folder`` itself, by name; other files are passed over."""
    entries = _entries(folder, folder)
    return [Path(entry.path) for entry in entries if entry.is_file() and _suffix(entry.name) in _FORMATS]


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (of thousands of names)


def _entries(root: Path, folder: Path) -> Iterable["os.DirEntry[str]"]:
    """Return what is in ``folder``, by name; refuse links that lead out of ``root``, or nowhere."""
    try:
        with os.scandir(folder) as entries:
            seen = (each for each in entries if each.name[0] != "." and each.name not in _CLUTTER)
            found = sorted(seen, key=lambda entry: entry.name)
        for entry in found:
            if entry.is_symlink():
                target = Path(entry.path).resolve(strict=True)
                if not target.is_relative_to(root.resolve()):
                    raise UserError(f"{entry.path}: a link out of the folder: put the file itself there")
    except (OSError, RuntimeError) as error:
        where = getattr(error, "filename", None) or folder
        raise UserError(f"{where}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return found
