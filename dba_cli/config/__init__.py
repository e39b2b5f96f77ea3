"""What a config file says: its schema, how it is read, and the one-line errors about it."""

from dba_cli.config._identity import config_hash
from dba_cli.config._load import load, parse_seeds, to_yaml
from dba_cli.config._schema import (
    AdamConfig,
    CNNConfig,
    Config,
    DataConfig,
    DBAConfig,
    Draw,
    Evaluation,
    MLPConfig,
    ModelConfig,
    OptimizerConfig,
    PaperFigures,
    ScheduleConfig,
    SGDConfig,
    TrainingConfig,
)

__all__ = [
    "AdamConfig",
    "CNNConfig",
    "Config",
    "DBAConfig",
    "DataConfig",
    "Draw",
    "Evaluation",
    "MLPConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PaperFigures",
    "SGDConfig",
    "ScheduleConfig",
    "TrainingConfig",
    "config_hash",
    "load",
    "parse_seeds",
    "to_yaml",
]
