"""Figures of recorded runs: each a function from plain data to a matplotlib figure, and how it is saved.

Nothing here touches pyplot or leaves a setting of matplotlib changed.
"""

from dba_cli.plots._curves import learning_curves
from dba_cli.plots._fractions import fractions_kept
from dba_cli.plots._ladder import Rung, ladder, rungs
from dba_cli.plots._read import Study, read_studies, together
from dba_cli.plots._series import X_AXES, Line, Run, XAxis
from dba_cli.plots._style import FORMATS, encode, save
from dba_cli.plots._targets import default_target, targets

__all__ = [
    "FORMATS",
    "X_AXES",
    "Line",
    "Run",
    "Rung",
    "Study",
    "XAxis",
    "default_target",
    "encode",
    "fractions_kept",
    "ladder",
    "learning_curves",
    "read_studies",
    "rungs",
    "save",
    "targets",
    "together",
]
