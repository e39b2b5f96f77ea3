"""The page of an audit: the samples to look at first, as pictures, or as rows of a table."""

import io
from base64 import b64encode
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from dba_cli.labels._subject import Subject
from dba_cli.report import rendered

if TYPE_CHECKING:
    import pandas as pd

_LARGEST = 160  # pixels of a picture's longer side
_COLUMNS = {"Rank": True, "Sample": False, "Label": False, "Likely label": False, "Score": True}


def audit_page(of: Subject, ranking: "pd.DataFrame", sentence: str, top: int) -> str:
    """Return the HTML of the ``top`` samples of the ranking, whose index says where they are in ``of``."""
    shown = ranking.head(top)
    rows = [
        [str(rank), row.sample, row.label, row.likely_label, f"{row.score:.2f}"]
        for rank, row in enumerate(shown.itertuples(index=False), start=1)
    ]
    pictures = [] if of.samples.ndim == 2 else [_png(of.samples[i]) for i in shown.index]
    return rendered(
        "audit.html.jinja",
        name=of.name,
        sentence=sentence,
        table=(list(_COLUMNS), list(_COLUMNS.values()), rows),
        pictures=pictures,
    )


def _png(sample: Tensor) -> str:
    """Return an image (channels, height, width) as a data URI; of several channels the first three."""
    pixels = sample if sample.dtype == torch.uint8 else (sample.clamp(0, 1) * 255).round().byte()
    channels = pixels[:3] if len(pixels) >= 3 else pixels[:1].expand(3, -1, -1)
    image = Image.fromarray(channels.permute(1, 2, 0).contiguous().numpy())
    image.thumbnail((_LARGEST, _LARGEST))
    out = io.BytesIO()
    image.save(out, "PNG")
    return f"data:image/png;base64,{b64encode(out.getvalue()).decode('ascii')}"
