"""Figures of recorded runs: each a function from plain data to a matplotlib figure, and how it is saved.

``make_album`` draws all that some experiments' records allow. Nothing here touches pyplot or leaves a
setting of matplotlib changed.
"""

from dba_cli.plots._album import KINDS, Album, Picture, Wanted, make_album
from dba_cli.plots._choices import ChoiceRates, choice_map, choice_rates
from dba_cli.plots._confusion import confusion, confusion_matrices
from dba_cli.plots._curves import learning_curves
from dba_cli.plots._evidence import run_config
from dba_cli.plots._fractions import fractions_kept
from dba_cli.plots._galleries import chosen_images, disagreements, drawn_images
from dba_cli.plots._ladder import Rung, ladder, rungs
from dba_cli.plots._read import Study, read_studies, together
from dba_cli.plots._series import X_AXES, Line, Run, XAxis
from dba_cli.plots._style import FORMATS, encode, save
from dba_cli.plots._targets import default_target, targets

__all__ = [
    "FORMATS",
    "KINDS",
    "X_AXES",
    "Album",
    "ChoiceRates",
    "Line",
    "Picture",
    "Run",
    "Rung",
    "Study",
    "Wanted",
    "XAxis",
    "choice_map",
    "choice_rates",
    "chosen_images",
    "confusion",
    "confusion_matrices",
    "default_target",
    "disagreements",
    "drawn_images",
    "encode",
    "fractions_kept",
    "ladder",
    "learning_curves",
    "make_album",
    "read_studies",
    "run_config",
    "rungs",
    "save",
    "targets",
    "together",
]
