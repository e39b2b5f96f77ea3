"""The trainer core that every optimizer shares. It knows nothing of configs' files, folders or tables."""

from dba_cli.training._batches import BatchOrder as BatchOrder
from dba_cli.training._batches import HeldOut as HeldOut
from dba_cli.training._batches import TensorData as TensorData
from dba_cli.training._batches import TrustedSamples as TrustedSamples
from dba_cli.training._deformation import DeformedImages as DeformedImages
from dba_cli.training._deformation import NoisySamples as NoisySamples
from dba_cli.training._device import describe_device as describe_device
from dba_cli.training._device import resolve_device as resolve_device
from dba_cli.training._models import Standardize as Standardize
from dba_cli.training._models import build_model as build_model
from dba_cli.training._models import count_parameters as count_parameters
from dba_cli.training._seeds import Stream as Stream
from dba_cli.training._seeds import generator as generator
from dba_cli.training._state import Keeper as Keeper
from dba_cli.training._state import SelectionRecorder as SelectionRecorder
from dba_cli.training._state import State as State
from dba_cli.training._timeline import Timeline as Timeline
from dba_cli.training._timeline import build_scheduler as build_scheduler
from dba_cli.training._trainer import Learning as Learning
from dba_cli.training._trainer import Observer as Observer
from dba_cli.training._trainer import Training as Training
from dba_cli.training._trainer import gradient_rule as gradient_rule
from dba_cli.training._trainer import predict as predict
