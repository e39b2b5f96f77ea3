"""A comparison as text, in the formats that a file can have."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from dba_cli.comparison._machine import csv_text, json_text
from dba_cli.comparison._markup import latex, markdown
from dba_cli.comparison._model import Comparison
from dba_cli.comparison._terminal import plain_text
from dba_cli.errors import UserError, did_you_mean

Format = Literal["table", "markdown", "csv", "latex", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
_FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "table": plain_text,
    "markdown": markdown,
    "csv": csv_text,
    "latex": latex,
    "json": json_text,
}


def render(comparison: Comparison, format_name: str) -> str:
    """Return the comparison in one of ``FORMATS``, ending in a line end.

    The same records give the same text, on any machine and day. ``table`` (plain text of 100 columns),
    ``markdown`` and ``latex`` speak in per cent, rounded; ``csv`` and ``json`` in fractions of 1, to
    twelve decimals.

    Raises:
        UserError: There is no such format.
    """
    if format_name not in _FORMATS:
        raise UserError(f"no format {format_name!r}{did_you_mean(format_name, list(FORMATS))}")
    return _FORMATS[format_name](comparison)
