"""What a config file says: its schema, how it is read, and the one-line errors about it."""

from dba_cli.config._identity import config_hash
from dba_cli.config._kinds import Kinded
from dba_cli.config._load import load, parse_seeds, to_yaml
from dba_cli.config._schema import (
    BaseOptimizerConfig,
    Checkpoint,
    Config,
    DataConfig,
    DBAConfig,
    Deformation,
    Draw,
    Evaluation,
    ExperimentConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    SweepConfig,
    TrainingConfig,
)
from dba_cli.config._sweep import Sweep, SweepPoint, load_sweep

__all__ = [
    "BaseOptimizerConfig",
    "Checkpoint",
    "Config",
    "DBAConfig",
    "DataConfig",
    "Deformation",
    "Draw",
    "Evaluation",
    "ExperimentConfig",
    "Kinded",
    "ModelConfig",
    "OptimizerConfig",
    "ScheduleConfig",
    "Sweep",
    "SweepConfig",
    "SweepPoint",
    "TrainingConfig",
    "config_hash",
    "load",
    "load_sweep",
    "parse_seeds",
    "to_yaml",
]
