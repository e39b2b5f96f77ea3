"""Datasets: where the images come from, and which of them a run may see.

``load`` gives the images of a dataset, ``draw`` the indices that a run trains on. ``fetch`` and ``status``
look after official files. ``register_dataset`` adds a dataset from a module outside the package.
Every mistake that a person can mend is a ``UserError`` of one line.
"""

from dba_cli.data._datasets import DATASETS, Dataset, register_dataset
from dba_cli.data._deskew import deskew
from dba_cli.data._download import Progress, fetch
from dba_cli.data._draw import class_sizes, draw, draw_sha256
from dba_cli.data._facility import FACILITY_LIMIT, facility_location
from dba_cli.data._load import SOURCES, ImageData, as_floats, image_shape_and_classes, load
from dba_cli.data._status import DataStatus, FileStatus, status
from dba_cli.data._torchvision import import_torchvision

__all__ = [
    "DATASETS",
    "FACILITY_LIMIT",
    "SOURCES",
    "DataStatus",
    "Dataset",
    "FileStatus",
    "ImageData",
    "Progress",
    "as_floats",
    "class_sizes",
    "deskew",
    "draw",
    "draw_sha256",
    "facility_location",
    "fetch",
    "image_shape_and_classes",
    "import_torchvision",
    "load",
    "register_dataset",
    "status",
]
