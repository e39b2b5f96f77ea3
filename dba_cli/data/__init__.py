"""MNIST and its two relatives: where the images come from, and which of them a run may see.

``load`` gives the images of a source, ``draw`` the indices that a run trains on, ``to_tensors`` the floats
that a network takes. ``fetch``, ``status`` and ``verify`` look after the official files. Every mistake that
a person can mend is a ``UserError`` of one line.
"""

from dba_cli.data._deformation import DeformedImages
from dba_cli.data._deskew import deskew
from dba_cli.data._download import Progress, fetch
from dba_cli.data._draw import class_sizes, draw, draw_sha256
from dba_cli.data._facility import facility_location
from dba_cli.data._files import DATASETS, NUM_CLASSES, OFFICIAL_TRAIN_SIZE
from dba_cli.data._load import SOURCES, ImageData, load
from dba_cli.data._pixels import PixelStatistics, pixel_statistics, to_tensors
from dba_cli.data._status import DataStatus, FileStatus, FileVerification, status, verify
from dba_cli.data._torchvision import import_torchvision

__all__ = [
    "DATASETS",
    "NUM_CLASSES",
    "OFFICIAL_TRAIN_SIZE",
    "SOURCES",
    "DataStatus",
    "DeformedImages",
    "FileStatus",
    "FileVerification",
    "ImageData",
    "PixelStatistics",
    "Progress",
    "class_sizes",
    "deskew",
    "draw",
    "draw_sha256",
    "facility_location",
    "fetch",
    "import_torchvision",
    "load",
    "pixel_statistics",
    "status",
    "to_tensors",
    "verify",
]
