"""The trainer core that every optimizer shares. It knows nothing of configs' files, folders or tables."""

from dba_cli.training._batches import BatchOrder
from dba_cli.training._deformation import DeformedImages
from dba_cli.training._device import describe_device, resolve_device
from dba_cli.training._gradients import GradientRule, gradient_rule
from dba_cli.training._models import Standardize, build_model, count_parameters
from dba_cli.training._samples import TensorData, TrainingSamples
from dba_cli.training._schedule import build_scheduler
from dba_cli.training._seeds import Stream, generator
from dba_cli.training._state import Keeper, State
from dba_cli.training._timeline import Timeline
from dba_cli.training._trainer import (
    Learning,
    Observer,
    SelectionRecorder,
    Training,
    predict,
)

__all__ = [
    "BatchOrder",
    "DeformedImages",
    "GradientRule",
    "Keeper",
    "Learning",
    "Observer",
    "SelectionRecorder",
    "Standardize",
    "State",
    "Stream",
    "TensorData",
    "Timeline",
    "Training",
    "TrainingSamples",
    "build_model",
    "build_scheduler",
    "count_parameters",
    "describe_device",
    "generator",
    "gradient_rule",
    "predict",
    "resolve_device",
]
