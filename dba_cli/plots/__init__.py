"""Figures of recorded runs: each a function from plain data to a matplotlib figure, and how it is saved.

``make_album`` draws all that some experiments' records allow. Nothing here touches pyplot or leaves a
setting of matplotlib changed.
"""

from ._album import KINDS as KINDS
from ._album import Album as Album
from ._album import Picture as Picture
from ._album import make_album as make_album
from ._choices import choice_map as choice_map
from ._choices import choice_rates as choice_rates
from ._confusion import confusion as confusion
from ._confusion import confusion_matrices as confusion_matrices
from ._curves import fractions_kept as fractions_kept
from ._curves import learning_curves as learning_curves
from ._evidence import refused as refused
from ._evidence import run_config as run_config
from ._galleries import Refused as Refused
from ._galleries import chosen_images as chosen_images
from ._galleries import disagreements as disagreements
from ._galleries import drawn_images as drawn_images
from ._galleries import refused_images as refused_images
from ._ladder import Rung as Rung
from ._ladder import ladder as ladder
from ._points import accuracy_along as accuracy_along
from ._points import difference_map as difference_map
from ._series import Line as Line
from ._series import Run as Run
from ._series import read_studies as read_studies
from ._series import together as together
from ._style import FORMATS as FORMATS
from ._style import WIDTH as WIDTH
from ._style import Layout as Layout
from ._style import encode as encode
from ._style import layout as layout
from ._style import save as save
from ._targets import default_target as default_target
from ._targets import targets as targets
