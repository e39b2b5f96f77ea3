"""Recorded runs become tables: which runs may share a row, the statistics, and the formats."""

from dba_cli.comparison._frame import frame
from dba_cli.comparison._human import setting_line, table_cells
from dba_cli.comparison._model import Comparison, PaperFigures, Row, Section, Setting
from dba_cli.comparison._render import FORMATS, Format, render
from dba_cli.comparison._statistics import Estimate, error_reduction, mean_with_interval
from dba_cli.comparison._table import compare
from dba_cli.comparison._terminal import print_tables, rich_table

__all__ = [
    "FORMATS",
    "Comparison",
    "Estimate",
    "Format",
    "PaperFigures",
    "Row",
    "Section",
    "Setting",
    "compare",
    "error_reduction",
    "frame",
    "mean_with_interval",
    "print_tables",
    "render",
    "rich_table",
    "setting_line",
    "table_cells",
]
