"""Searching hyperparameters with Optuna: every optimizer with the same budget, on training data kept out."""

from dba_cli.tuning._tune import Tuned as Tuned
from dba_cli.tuning._tune import tune_config as tune_config
