"""Networks: the table that a config's ``model.kind`` names.

In it stand the package's own networks and what a user's module registers. ``torchvision:NAME`` and
``timm:NAME`` are found in those libraries, with a normalisation that couples no samples.
"""

from dba_cli.models import _libraries
from dba_cli.models._own import MODELS as MODELS
from dba_cli.models._own import register_model as register_model

MODELS.add_library("torchvision", _libraries.torchvision_model)
MODELS.add_library("timm", _libraries.timm_model)
