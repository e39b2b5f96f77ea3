"""Recorded runs become tables: which runs may share a row, the statistics, and the formats."""

from dba_cli.comparison._build import compare as compare
from dba_cli.comparison._columns import setting_line as setting_line
from dba_cli.comparison._columns import table_cells as table_cells
from dba_cli.comparison._columns import value_text as value_text
from dba_cli.comparison._export import FORMATS as FORMATS
from dba_cli.comparison._export import Format as Format
from dba_cli.comparison._export import frame as frame
from dba_cli.comparison._export import render as render
from dba_cli.comparison._model import Comparison as Comparison
from dba_cli.comparison._model import Row as Row
from dba_cli.comparison._model import Section as Section
from dba_cli.comparison._model import ranges as ranges
from dba_cli.comparison._names import called as called
from dba_cli.comparison._ranking import differing as differing
from dba_cli.comparison._statistics import Estimate as Estimate
from dba_cli.comparison._statistics import error_reduction as error_reduction
from dba_cli.comparison._statistics import mean_with_interval as mean_with_interval
from dba_cli.comparison._terminal import print_tables as print_tables
