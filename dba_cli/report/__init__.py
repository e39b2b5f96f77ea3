"""One HTML file that holds all that some experiments' records say: opens from disk, needs no network."""

from dba_cli.report._page import report_page

__all__ = ["report_page"]
