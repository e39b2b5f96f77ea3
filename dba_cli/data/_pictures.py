"""Images without labels."""

from pathlib import Path

import torch
from torch import Tensor

from dba_cli.data._folder import Images, image_files, opened
from dba_cli.errors import UserError, printable


def read_pictures(folder: Path) -> tuple[Tensor, tuple[str, ...]]:
    """Return the images in ``folder`` itself, (n, channels, height, width) of bytes, and their names.

    Raises:
        UserError: There are none, one cannot be read or is of another size.
    """
    files = image_files(folder)
    if not files:
        raise UserError(f"{folder}: no images, and no folders of classes with images")
    images = Images(len(files))
    for path in files:
        with opened(path, path) as image:
            images.add(image, path)
    return torch.from_numpy(images.pixels), tuple(printable(path.name) for path in files)
