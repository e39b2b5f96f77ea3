"""From configs to records: which runs there are, and doing each of them once."""

from dba_cli.experiments._images import Images as Images
from dba_cli.experiments._images import drawn as drawn
from dba_cli.experiments._images import drawn_images as drawn_images
from dba_cli.experiments._images import standardizer as standardizer
from dba_cli.experiments._images import trained_labels as trained_labels
from dba_cli.experiments._one_run import OneRun as OneRun
from dba_cli.experiments._one_run import Trainee as Trainee
from dba_cli.experiments._plan import Backend as Backend
from dba_cli.experiments._plan import Plan as Plan
from dba_cli.experiments._plan import PlannedRun as PlannedRun
from dba_cli.experiments._plan import Reporter as Reporter
from dba_cli.experiments._plan import Settings as Settings
from dba_cli.experiments._plan import narrowed_runs as narrowed_runs
from dba_cli.experiments._plan import plan as plan
from dba_cli.experiments._resume import read_checkpoint as read_checkpoint
from dba_cli.experiments._resume import write_checkpoint as write_checkpoint
from dba_cli.experiments._run import Prepared as Prepared
from dba_cli.experiments._run import Summary as Summary
from dba_cli.experiments._run import planned as planned
from dba_cli.experiments._run import prepare as prepare
from dba_cli.experiments._run import run_experiments as run_experiments
from dba_cli.experiments._run import run_sweep as run_sweep
from dba_cli.experiments._run import sweep_folder as sweep_folder
from dba_cli.experiments._weights import Network as Network
from dba_cli.experiments._weights import read_network as read_network
from dba_cli.experiments._weights import write_network as write_network
