"""A minute that shows it: three optimizers trained side by side on the embedded images, as they learn."""

from dba_cli.demo._train import STEPS as STEPS
from dba_cli.demo._train import demo_config as demo_config
from dba_cli.demo._train import train_side_by_side as train_side_by_side
from dba_cli.demo._view import Progress as Progress
