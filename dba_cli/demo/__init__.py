"""A minute that shows it: three optimizers trained side by side on the embedded images, as they learn."""

from dba_cli.demo._config import demo_config
from dba_cli.demo._progress import Curve, Progress
from dba_cli.demo._train import Watcher, train_side_by_side
from dba_cli.demo._view import view

__all__ = ["Curve", "Progress", "Watcher", "demo_config", "train_side_by_side", "view"]
