"""Recorded runs become tables: which runs may share a row, the statistics, and the formats."""

from dba_cli.comparison._build import compare
from dba_cli.comparison._columns import setting_line, table_cells
from dba_cli.comparison._documents import markdown_table
from dba_cli.comparison._export import FORMATS, Format, frame, render
from dba_cli.comparison._model import Comparison, Row, Section, Setting, ranges
from dba_cli.comparison._statistics import Estimate, error_reduction, mean_with_interval
from dba_cli.comparison._terminal import print_tables, rich_table

__all__ = [
    "FORMATS",
    "Comparison",
    "Estimate",
    "Format",
    "Row",
    "Section",
    "Setting",
    "compare",
    "error_reduction",
    "frame",
    "markdown_table",
    "mean_with_interval",
    "print_tables",
    "ranges",
    "render",
    "rich_table",
    "setting_line",
    "table_cells",
]
