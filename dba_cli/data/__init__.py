"""Datasets: where the images come from, and which of them a run may see.

``load`` gives the images of a dataset, ``draw`` the indices that a run trains on. ``fetch`` and ``status``
look after official files. ``register_dataset`` adds a dataset from a module outside the package.
Every mistake that a person can mend is a ``UserError`` of one line.
"""

from dba_cli.data._datasets import DATASETS as DATASETS
from dba_cli.data._datasets import register_dataset as register_dataset
from dba_cli.data._datasets import status as status
from dba_cli.data._deskew import deskew as deskew
from dba_cli.data._download import fetch as fetch
from dba_cli.data._draw import class_sizes as class_sizes
from dba_cli.data._draw import draw as draw
from dba_cli.data._draw import draw_sha256 as draw_sha256
from dba_cli.data._draw import imbalanced as imbalanced
from dba_cli.data._draw import listed as listed
from dba_cli.data._draw import noisy as noisy
from dba_cli.data._facility import FACILITY_LIMIT as FACILITY_LIMIT
from dba_cli.data._facility import facility_location as facility_location
from dba_cli.data._findings import findings as findings
from dba_cli.data._idx import fetch_command as fetch_command
from dba_cli.data._load import ImageData as ImageData
from dba_cli.data._load import as_floats as as_floats
from dba_cli.data._load import load as load
from dba_cli.data._load import located as located
from dba_cli.data._load import sample_shape_and_classes as sample_shape_and_classes
from dba_cli.data._pictures import read_pictures as read_pictures
from dba_cli.data._read import form_of as form_of
from dba_cli.data._read import keep_out as keep_out
from dba_cli.data._read import read_data as read_data
from dba_cli.data._samples import Samples as Samples
from dba_cli.data._torchvision import import_torchvision as import_torchvision
