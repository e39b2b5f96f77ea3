"""What a config file says: its schema, how it is read, and the one-line errors about it."""

from dba_cli.config._kinds import Kinded as Kinded
from dba_cli.config._load import described as described
from dba_cli.config._load import from_data as from_data
from dba_cli.config._load import load as load
from dba_cli.config._load import parse_seeds as parse_seeds
from dba_cli.config._load import start_of as start_of
from dba_cli.config._load import to_yaml as to_yaml
from dba_cli.config._schema import BaseOptimizerConfig as BaseOptimizerConfig
from dba_cli.config._schema import Checkpoint as Checkpoint
from dba_cli.config._schema import Config as Config
from dba_cli.config._schema import DataConfig as DataConfig
from dba_cli.config._schema import DBAConfig as DBAConfig
from dba_cli.config._schema import Deformation as Deformation
from dba_cli.config._schema import Draw as Draw
from dba_cli.config._schema import EarlyStopping as EarlyStopping
from dba_cli.config._schema import Evaluation as Evaluation
from dba_cli.config._schema import ExperimentConfig as ExperimentConfig
from dba_cli.config._schema import LossConfig as LossConfig
from dba_cli.config._schema import ModelConfig as ModelConfig
from dba_cli.config._schema import OptimizerConfig as OptimizerConfig
from dba_cli.config._schema import ScheduleConfig as ScheduleConfig
from dba_cli.config._schema import TrainingConfig as TrainingConfig
from dba_cli.config._schema import config_hash as config_hash
from dba_cli.config._sweep import Sweep as Sweep
from dba_cli.config._sweep import SweepPoint as SweepPoint
from dba_cli.config._sweep import load_sweep as load_sweep
